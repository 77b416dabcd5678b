"""Which run a config is: checked, `auto` resolved, with its id and its folder. Loads no data and builds nothing."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch

from dlexp.config.check import check
from dlexp.config.compose import Composed
from dlexp.config.options import default_choices, read_option, scalars, traits
from dlexp.data.fingerprint import fingerprint as fingerprint_of
from dlexp.errors import ConfigError
from dlexp.machine import device as hardware
from dlexp.machine import precision
from dlexp.run import profiling
from dlexp.run.record import folder as record
from dlexp.run.record.identity import run_id, slug

ADHOC = "adhoc"  # the shelf of runs without a study
NOT_IN_LABEL = {"force", "retry", "profile", "checkpoint_every", "data_dir", "output_dir"}  # keys that do not change the run


@dataclass(frozen=True)
class Run:
    """One run that is sound as far as its config tells.

    Args:
        composed: As it was given.
        config: Resolved, `auto` included.
        identity: Its id, 12 hex digits.
        study: The study that it is part of, or `adhoc`.
    """

    composed: Composed
    config: dict[str, Any]
    identity: str
    study: str

    @property
    def device(self) -> torch.device:
        """Where it computes.

        Raises:
            UnsupportedError: If this machine lacks it.
        """
        return hardware.find_device(self.config["hardware"]["device"])

    @property
    def shelf(self) -> Path:
        """The folder of run folders."""
        return Path(self.config["output_dir"]) / self.study

    @property
    def folder(self) -> Path:
        """The folder that is there under its id, or the one to be made."""
        found = record.find(self.shelf, self.identity)
        return found or self.shelf / f"{slug(self.label if self.composed.label else self.differences)}-{self.identity}"

    @cached_property
    def differences(self) -> list[str]:
        """The overrides that change the run, without those that set a default; sorted."""
        defaults = scalars() | default_choices()
        changing = [override for override in self.composed.overrides if override.key not in NOT_IN_LABEL]
        return sorted(override.typed for override in changing if override.value != defaults.get(override.key, ...))

    @property
    def label(self) -> list[str]:
        """The overrides that distinguish the run from others, in the order typed."""
        overrides = self.composed.label or self.composed.overrides
        return [override.typed for override in overrides if override.key not in NOT_IN_LABEL]

    @property
    def title(self) -> str:
        """What it is called in a line of the terminal."""
        return " ".join(self.label) or "the default run"

    def summary(self) -> dict[str, Any] | None:
        """What an earlier start left, or None where there is none or it was cut off."""
        folder = record.find(self.shelf, self.identity)
        return record.read_summary(folder) if folder else None

    def is_due(self) -> bool:
        """Whether it is to be run: new, cut off, asked for again, without the trace asked for, or broken and to be retried."""
        summary = self.summary()
        if summary is None or self.config["force"]:
            return True
        if self.config["profile"] and not (self.folder / profiling.FILE).exists():
            return True
        return summary["status"] in record.BROKEN and self.config["retry"] == "failed"


def plan(composed: Composed, study: str = ADHOC) -> Run:
    """Check a composed config and find out which run it is.

    Raises:
        ConfigError: With all that is wrong with the config; also if data that the user supplies is not where it says.
        UnsupportedError: If `auto` has to be resolved for a device that this machine lacks.
    """
    if problems := check(composed):
        raise ConfigError(*problems)
    config = dict(composed.config)
    _resolve_auto(config)
    fingerprint = None
    if key := traits("dataset", composed.choices["dataset"]).user_files:
        fingerprint = _fingerprint(Path(config["dataset"][key]), Path(config["dataset"]["cache_dir"]))
    return Run(composed, config, run_id(config, fingerprint), study)


# Once in a process: half a second for 60,000 files, and the same for every run of a sweep.
_fingerprint = cache(fingerprint_of)


def _resolve_auto(config: dict[str, Any]) -> None:
    """Put what `auto` stands for on this machine in its place; what the user set beside it stays."""
    if config["hardware"]["device"] == "auto":
        auto, device = read_option("hardware", "auto"), hardware.find_device("auto")
        kept = {key: value for key, value in config["hardware"].items() if value != auto[key]}
        config["hardware"] = {**read_option("hardware", device.type), **kept}
    if config["precision"]["format"] == "auto":
        device = hardware.find_device(config["hardware"]["device"])
        config["precision"] = dict(read_option("precision", precision.resolve("auto", device)))
