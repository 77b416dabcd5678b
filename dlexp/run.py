"""One run in the order it happens: facts → parts → loop → record."""

import json
import os
import traceback
from functools import partial
from typing import Any

import yaml
from omegaconf import OmegaConf

from dlexp import checkpoint, disk, hardware, plain_yaml, record, tune
from dlexp.checkpoint import Found, expected_bytes
from dlexp.config import overridden_keys
from dlexp.course import Course
from dlexp.display import Display
from dlexp.errors import ConfigError
from dlexp.facts import Facts, check_facts
from dlexp.identity import changes
from dlexp.memory import is_out_of_memory
from dlexp.parts import load_dataset, make_probes, part
from dlexp.plan import Run
from dlexp.record import Record
from dlexp.rows import columns

LONGEST_REASON = 2000  # characters of an error's message in the summary; train.log has all of it


def gather_facts(run: Run) -> Facts:
    """Load the data, look at the model, and hold the config against both. Leaves nothing on disk but decoded data.

    Raises:
        ConfigError: With what does not fit together.
        UnsupportedError: If only this machine stands in the way.
        DatasetError: If the data cannot be had.
    """
    device = run.device
    parts = {group: part(run.config, group) for group in ("augment", "model", "precision")}
    parts["probe"] = partial(make_probes, run.config)
    overridden = overridden_keys(run.composed.overrides)
    facts = check_facts(run.config, run.composed.choices, overridden, parts, load_dataset(run.config), device)
    if run.config["hardware"]["tune"]:
        tune.candidates(run.config, facts, overridden)  # refuses where there is nothing to choose
    return facts


def execute(run: Run, facts: Facts, display: Display) -> dict[str, Any] | None:
    """Train, measure and record one run; a failure of its own becomes a record too.

    Returns:
        The summary as written, or None if another process has finished the run since it was planned.

    Raises:
        HeldError: If another process has the run.
        CheckpointError: If it was cut off, and none of its saved states can be read.
        ConfigError: If the config in its folder was changed since it began.
        DiskError: If the disk is full or cannot be written. What was saved before is whole.
    """
    try:
        with record.hold(run.shelf, run.identity):
            before = run.summary()
            return None if before and not run.is_due() else _execute(run, facts, display)
    except OSError as error:
        if not disk.refusal(error):
            raise
        raise disk.explained(error, run.folder, expected_bytes(facts.num_parameters)) from error


def _execute(run: Run, facts: Facts, display: Display) -> dict[str, Any]:
    """Do a run that this process holds."""
    folder, kept = run.folder, tune.read(run.folder)
    settings = {**run.config["hardware"], **(kept["chosen"] if kept else {})}
    found = _found(run, settings["num_threads"], display)
    if warning := disk.check_room(folder, expected_bytes(facts.num_parameters), checkpoint.KEEP):
        display.say(warning)
    written = Record(folder, columns(run.config, facts), _files(run), found.lengths if found else None)
    written.log(run.title)
    if "SLURM_RESTART_COUNT" in os.environ:
        written.log(f"SLURM_RESTART_COUNT={os.environ['SLURM_RESTART_COUNT']}")
    summary: dict[str, Any] = {"id": run.identity, "choices": run.composed.choices, "overrides": run.differences}
    try:
        config = run.config
        if config["hardware"]["tune"]:
            chosen = kept or tune.measure(config, facts, overridden_keys(run.composed.overrides))
            record.write_whole(folder / tune.FILE, json.dumps(chosen, indent=1))
            summary["tuned"], config = chosen["chosen"], tune.with_hardware(config, chosen["chosen"])
        course = Course(config, facts, written, display, run.title)
        if found:
            course.resume(found)
        summary |= course.complete()
    except Exception as error:
        if refused := disk.refusal(error):
            raise refused from error
        written.log(traceback.format_exc())
        summary |= {
            "status": "oom" if is_out_of_memory(error) else "failed",
            "reason": " ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])[:LONGEST_REASON],
        }
    finally:
        display.end()
    return written.finish({**summary, **hardware.describe(run.device)})


def _found(run: Run, num_threads: int, display: Display) -> Found | None:
    """The state to go on from, if there is one.

    Raises:
        CheckpointError: If there are states, all of them damaged.
        ConfigError: If the config in the folder is no longer the one that the run began with.
    """
    before = run.summary()
    if run.config["force"] or not run.folder.exists() or (before and before["status"] in record.FINISHED):
        return None
    found = checkpoint.newest(run.folder, run.device, num_threads)
    if found is None:
        if before is None:
            display.say(f"{run.folder} was interrupted before its first checkpoint: it starts over.")
        return None
    try:
        changed = changes(plain_yaml.parse(plain_yaml.read(run.folder / "config.yaml")), run.config)
    except ValueError as error:
        changed = [f"It cannot be read: {error}."]
    if changed:
        raise ConfigError(f"{run.folder / 'config.yaml'} was changed after the run began; force=true starts it over.", *changed)
    for problem in found.refused:
        display.say(f"Refused: {problem}")
    differs = f"; not exact to the last bit: {found.differs}" if found.differs else ""
    display.say(f"Goes on from {found.name}{differs}.")
    return found


def _files(run: Run) -> dict[str, str]:
    """What stands in a run folder from the start."""
    return {
        "config.yaml": yaml.safe_dump(run.config, sort_keys=False),
        ".hydra/config.yaml": OmegaConf.to_yaml(run.composed.cfg),
        ".hydra/overrides.yaml": yaml.safe_dump(list(run.composed.overrides)),
        ".hydra/hydra.yaml": yaml.safe_dump({"hydra": {"runtime": {"choices": run.composed.choices}}}),
    }
