"""Begin the record of a run: the files that its folder has from the start, and what its summary says however it ends."""

import os
import pickle
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import yaml
from omegaconf import OmegaConf

from dlexp.run.metrics import list_columns
from dlexp.run.plan import PlannedRun
from dlexp.run.record.checkpoint import SavedState
from dlexp.run.record.clear import FORCED
from dlexp.run.record.folder import Record, SavedFiles
from dlexp.run.record.identity import NOT_IN_CONFIG_FILE
from dlexp.run.setup.facts import Facts

Dump = Callable[[dict[str, Any]], str]


def open_record(run: PlannedRun, facts: Facts, saved: SavedState | None, check_lock: Callable[[], None]) -> Record:
    """Make the folder of a run, or open that of a run that goes on from a saved state."""
    files = SavedFiles(saved.state["rows"], saved.files) if saved else None
    record = Record(run.folder, list_columns(run.config, facts), _list_files(run), run.modules, files, check_lock)
    record.log(run.title)
    if "SLURM_RESTART_COUNT" in os.environ:
        record.log(f"SLURM_RESTART_COUNT={os.environ['SLURM_RESTART_COUNT']}")
    return record


def begin_summary(run: PlannedRun) -> dict[str, Any]:
    """What the summary of a run says however it ends."""
    summary: dict[str, Any] = {"id": run.identity, "choices": run.composed.choices, "overrides": run.differences}
    summary |= {"sources": run.sources} if run.sources else {}
    jobs = run.config["jobs"]  # a number in a sweep that executes several runs at the same time
    return summary | ({"jobs": jobs} if isinstance(jobs, int) and jobs > 1 else {})


def _list_files(run: PlannedRun) -> dict[str, str]:
    """Name and text of the files that a run folder has from the start."""
    overrides = [override.typed for override in run.composed.overrides if override.key not in NOT_IN_CONFIG_FILE]
    return {
        **({FORCED: "Started with force=true; the next such start goes on.\n"} if run.config["force"] else {}),
        "config.yaml": write_config(_leave_out(run.config), _dump_resolved),
        ".hydra/config.yaml": write_config(_leave_out(run.composed.tree), OmegaConf.to_yaml),
        ".hydra/overrides.yaml": yaml.safe_dump(overrides),
        ".hydra/hydra.yaml": yaml.safe_dump({"hydra": {"runtime": {"choices": run.composed.choices}}}),
    }


def write_config(config: Mapping[str, Any], dump: Dump) -> str:
    """The text of a config. Most runs of a sweep have most of its blocks in common, so each block is written once.

    Args:
        config: The config.
        dump: Writes a part of it.
    """
    return "".join(_write_block(pickle.dumps(block), dump) for block in config.items())


@lru_cache(maxsize=1024)
def _write_block(block: bytes, dump: Dump) -> str:
    key, value = pickle.loads(block)  # noqa: S301  # pickled by `write_config`
    return dump({key: value})


def _dump_resolved(config: dict[str, Any]) -> str:
    return yaml.safe_dump(config, sort_keys=False)


def _leave_out(config: dict[str, Any]) -> dict[str, Any]:
    """A config without what says nothing about the run."""
    return {key: value for key, value in config.items() if key not in NOT_IN_CONFIG_FILE}
