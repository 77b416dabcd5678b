"""Plan a run: check its config, resolve `auto`, and find its id and folder. Loads no data and builds nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from dlexp.config.check_config import check
from dlexp.config.compose import Composed
from dlexp.config.options import default_choices, read_option, scalars, traits
from dlexp.data.fingerprint import fingerprint_keys
from dlexp.errors import ConfigError
from dlexp.machine.device import find_device
from dlexp.machine.numerics import describe_libraries
from dlexp.machine.once import look_up_again
from dlexp.machine.precision import resolve_format
from dlexp.run.profiling import FILE as PROFILE_FILE
from dlexp.run.record.environment import describe_other_environment
from dlexp.run.record.folder import read_summary
from dlexp.run.record.forms import BROKEN, FINISHED
from dlexp.run.record.identity import run_id, slug
from dlexp.run.record.layout import find_run_folder
from dlexp.run.record.modules import describe_other_code, find_modules, git_commit
from dlexp.run.setup.lab_modules import find_imports_of_dlexp, hash_sources

ADHOC = "adhoc"  # the folder of runs without a study
NOT_IN_LABEL = {
    "force",
    "retry",
    "stale",
    "jobs",
    "jobs_per_gpu",
    "display",
    "wait",
    "profile",
    "checkpoint_every",
    "data_dir",
    "output_dir",
}  # they do not change the run


@dataclass(frozen=True)
class PlannedRun:
    """One run whose config has passed all checks.

    Args:
        composed: The config as it was composed.
        config: Resolved, `auto` included.
        identity: The run's id, 12 hex digits.
        study: The study that the run is part of, or `adhoc`.
        fingerprint: Hash of the content of the user's own files, if the run reads any.
        sources: The source of what it takes from the lab: path below the lab → hash.
        modules: The modules of dlexp that can change a number of the run, as they were when it was planned: path → hash.
    """

    composed: Composed
    config: dict[str, Any]
    identity: str
    study: str
    fingerprint: str | None
    sources: dict[str, str]
    modules: dict[str, str]

    @property
    def version(self) -> str:
        """Identifies the content that the config only names: the user's data files and modules."""
        return json.dumps([self.fingerprint, self.sources], sort_keys=True)

    @property
    def device(self) -> torch.device:
        """The device of the run.

        Raises:
            UnsupportedError: If this machine lacks it.
        """
        return find_device(self.config["hardware"]["device"])

    @property
    def study_folder(self) -> Path:
        """The folder that holds the run's folder and those of its study's other runs."""
        return Path(self.config["output_dir"]).expanduser() / self.study

    @property
    def folder(self) -> Path:
        """The existing folder with the run's id, or the one to create."""
        existing = find_run_folder(self.study_folder, self.identity)
        texts = self.label if self.composed.label else self.differences
        return existing or self.study_folder / f"{slug(texts, self.composed.swept | {'seed', 'data_seed'})}-{self.identity}"

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
        """The name of the run in the terminal."""
        return " ".join(self.label) or "the default run"

    def read_summary(self) -> dict[str, Any] | None:
        """The summary of an earlier start; None if there was none, or if it was interrupted. Not to be changed."""
        return look_up_again("summary", (self.study_folder, self.identity), self._read_summary)

    def _read_summary(self) -> dict[str, Any] | None:
        folder = find_run_folder(self.study_folder, self.identity)
        return read_summary(folder) if folder else None

    def describe_other_code(self) -> str:
        """How this run was finished, if by code that has changed since; else empty.

        For example `done by other code: parts/model/convnet.py changed`, or `done by torch 2.14.0`.
        """
        summary = self.read_summary()
        if summary is None or summary["status"] not in FINISHED:
            return ""
        other = describe_other_code(summary, self.modules, str(torch.__version__))
        return f"{_word_end(summary)} by {other}" if other else ""

    def describe_other_environment(self) -> str:
        """How this run was finished, if on another kind of processor, with other libraries or variables; else empty.

        For example `done in another environment: instructions AVX2 then, AVX512 now`. It is no reason to run again: several
        machines that share their runs would each repeat those of the others.
        """
        summary = self.read_summary()
        if summary is None or summary["status"] not in FINISHED:
            return ""
        other = describe_other_environment(summary, torch.device(self.config["hardware"]["device"]))
        return f"{_word_end(summary)} in another environment: {other}" if other else ""

    def must_run(self) -> bool:
        """Whether the run must be executed: it is new, was interrupted, is forced, lacks a requested profile, or is retried.

        A finished run by code that has changed since is executed again only with `stale=rerun`.
        """
        summary = self.read_summary()
        if summary is None or self.config["force"]:
            return True
        if self.config["profile"] and not (self.folder / PROFILE_FILE).exists():
            return True
        if self.config["stale"] == "rerun" and self.describe_other_code():
            return True
        return summary["status"] in BROKEN and self.config["retry"] == "failed"


def _word_end(summary: Mapping[str, Any]) -> str:
    """The words before `by` and `in`: a run that is done is only that."""
    return "done" if summary["status"] == "done" else f"{summary['status']}, made"


def plan(composed: Composed, study: str = ADHOC) -> PlannedRun:
    """Check a composed config, and find the id of its run.

    Raises:
        ConfigError: With everything that is wrong with the config, also if the user's own data are not where it says.
        UnsupportedError: If `auto` must be resolved for a device that this machine lacks.
    """
    if problems := check(composed):
        raise ConfigError(*problems)
    config = dict(composed.config)
    _resolve_auto(config)
    fingerprint, sources = fingerprint_data(composed, config), hash_sources(config)
    identity = run_id(config, fingerprint, path_keys(composed), sources)
    modules = find_modules(config, find_imports_of_dlexp(config))
    note_code()
    return PlannedRun(composed, config, identity, study, fingerprint, sources, modules)


def note_code() -> None:
    """Read the versions of the libraries and the commit, before a run imports anything.

    They are asked for once in a process, and so are the modules of dlexp: its runs name the code that it executes, whatever is
    edited or committed until they end. A study plans all its runs before the first.
    """
    describe_libraries()
    git_commit()


def fingerprint_data(composed: Composed, config: Mapping[str, Any]) -> str | None:
    """A hash of the content of the user's own files, as they are now; None if the run reads none.

    Raises:
        ConfigError: If they are not where the config says.
        DatasetError: If they cannot be read.
    """
    dataset, described = config["dataset"], traits("dataset", composed.choices["dataset"])
    cache_dir = Path(dataset.get("cache_dir") or Path(config["data_dir"], ".cache"))
    return fingerprint_keys({key: dataset[key] for key in described.user_files}, cache_dir, described.suffixes)


def path_keys(composed: Composed) -> tuple[str, ...]:
    """The keys of the dataset that say where files are; they are not in the run's id."""
    described = traits("dataset", composed.choices["dataset"])
    return described.user_files + described.published_files


def _resolve_auto(config: dict[str, Any]) -> None:
    """Replace `auto` by its meaning on this machine; other settings of the user in the group stay."""
    if config["hardware"]["device"] == "auto":
        auto, device = read_option("hardware", "auto"), find_device("auto")
        changed = {key: value for key, value in config["hardware"].items() if value != auto[key]}
        config["hardware"] = {**read_option("hardware", device.type), **changed}
    if config["precision"]["format"] == "auto":
        device = find_device(config["hardware"]["device"])
        config["precision"] = dict(read_option("precision", resolve_format("auto", device)))
