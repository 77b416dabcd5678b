"""One run in the order it happens: facts → parts → loop → record."""

import os
import traceback
from contextlib import suppress
from functools import partial
from typing import Any

import yaml
from omegaconf import OmegaConf

from dlexp.config import plain_yaml
from dlexp.config.options import shown
from dlexp.contract import Dataset
from dlexp.errors import CheckpointError, ConfigError
from dlexp.machine import device as hardware
from dlexp.machine.memory import is_out_of_memory
from dlexp.run import signals as stop
from dlexp.run.display import Display
from dlexp.run.metrics import columns
from dlexp.run.plan import Run
from dlexp.run.record import checkpoint, disk
from dlexp.run.record import folder as record
from dlexp.run.record.checkpoint import Found, expected_bytes
from dlexp.run.record.folder import Record
from dlexp.run.record.identity import changes
from dlexp.run.setup import batch_size, tune
from dlexp.run.setup.factories import load_dataset, make_probes, part
from dlexp.run.setup.facts import Facts, check_facts
from dlexp.run.trainer import Course

LONGEST_REASON = 2000  # characters of an error's message in the summary; train.log has all of it


def gather_facts(run: Run) -> Facts:
    """Load the data, look at the model, and hold the config against both. Leaves nothing on disk but decoded data.

    Raises:
        ConfigError: With what does not fit together.
        UnsupportedError: If only this machine stands in the way.
        DatasetError: If the data cannot be had.
    """
    facts = _check(run, load_dataset(run.config))
    if run.config["batch_size"] == "auto":
        kept = None
        with suppress(CheckpointError):  # said when the run starts
            kept = _kept(run)
        size = kept["chosen"]["batch_size"] if kept else batch_size.estimate(run.config, facts)
        facts = _check(run, facts.dataset, size)
    if run.config["hardware"]["tune"]:
        # Refuses where there is nothing to choose.
        tune.candidates(run.config, facts, run.composed.overridden_keys)
    return facts


def _check(run: Run, dataset: Dataset, size: int | None = None) -> Facts:
    """Hold the config against device, data and model; with another batch size where one is given."""
    config = run.config if size is None else {**run.config, "batch_size": size}
    parts = {group: part(config, group) for group in ("augment", "model", "precision")}
    parts["probe"] = partial(make_probes, config)
    return check_facts(config, run.composed.choices, run.composed.overridden_keys, parts, dataset, run.device)


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
        raise disk.explained(error, run.folder, _state_bytes(run, facts)) from error


def _execute(run: Run, facts: Facts, display: Display) -> dict[str, Any]:
    """Do a run that this process holds."""
    folder, kept = run.folder, _kept(run)
    found = _found(run, kept, display)
    if warning := disk.check_room(folder, _state_bytes(run, facts), checkpoint.KEEP):
        display.say(warning)
    written = Record(folder, columns(run.config, facts), _files(run), found.lengths if found else None)
    written.log(run.title)
    if "SLURM_RESTART_COUNT" in os.environ:
        written.log(f"SLURM_RESTART_COUNT={os.environ['SLURM_RESTART_COUNT']}")
    summary: dict[str, Any] = {"id": run.identity, "choices": run.composed.choices, "overrides": run.differences}
    try:
        config = run.config
        if tune.leaves_open(config):
            kept = kept or _measure(run, facts)
            tune.write(folder, kept)
            facts, config = _settled(run, facts, kept["chosen"])
            summary |= _said(kept["chosen"], written, display)
        course = Course(config, facts, written, display, run.title)
        if found:
            course.resume(found)
        summary |= course.complete()
    except Exception as error:
        if refused := disk.refusal(error):
            raise refused from error
        if stop.requested():  # a library that is interrupted may end with its own error, a loader's workers with theirs
            raise KeyboardInterrupt from error
        written.log(traceback.format_exc())
        summary |= {
            "status": "oom" if is_out_of_memory(error) else "failed",
            "reason": " ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])[:LONGEST_REASON],
        }
    finally:
        display.end()
    return written.finish({**summary, **hardware.describe(run.device)})


def _kept(run: Run) -> tune.Settings | None:
    """What was measured at the first start, if there was one.

    Raises:
        CheckpointError: If it is damaged, and the run is not to be started over.
    """
    if not tune.leaves_open(run.config):
        return None
    try:
        return tune.read(run.folder, run.config)
    except CheckpointError:
        if run.config["force"]:
            return None
        raise


def _measure(run: Run, facts: Facts) -> tune.Settings:
    """Measure what the config leaves open: `chosen`, and what it was chosen from."""
    kept: tune.Settings = {"chosen": {}}
    if run.config["batch_size"] == "auto":
        kept = batch_size.settle(run.config, facts, partial(_check, run, facts.dataset))
        facts, _ = _settled(run, facts, kept["chosen"])
    if run.config["hardware"]["tune"]:
        timed = tune.measure(run.config, facts, run.composed.overridden_keys)
        kept |= timed | {"chosen": kept["chosen"] | timed["chosen"]}
    return kept


def _settled(run: Run, facts: Facts, chosen: tune.Settings) -> tuple[Facts, dict[str, Any]]:
    """Facts and config with what was chosen."""
    if "batch_size" in chosen:
        facts = _check(run, facts.dataset, chosen["batch_size"])
    return facts, tune.with_hardware(run.config, chosen)


def _said(chosen: tune.Settings, written: Record, display: Display) -> dict[str, Any]:
    """Say what was chosen, and return it for the summary."""
    text = f"Chosen at the first start: {', '.join(f'{key}={shown(value)}' for key, value in chosen.items())}."
    display.say(text)
    written.log(text)
    return {"tuned": chosen, **({"batch_size": chosen["batch_size"]} if "batch_size" in chosen else {})}


def _found(run: Run, kept: tune.Settings | None, display: Display) -> Found | None:
    """The state to go on from, if there is one.

    Raises:
        CheckpointError: If there are states, all of them damaged, or without what was measured before the first of them.
        ConfigError: If the config in the folder is no longer the one that the run began with.
    """
    before = run.summary()
    if run.config["force"] or not run.folder.exists() or (before and before["status"] in record.FINISHED):
        return None
    settings = {**run.config["hardware"], **(kept["chosen"] if kept else {})}
    found = checkpoint.newest(run.folder, run.device, settings["num_threads"])
    if found is None:
        if before is None:
            display.say(f"{run.folder} was interrupted before its first checkpoint: it starts over.")
        return None
    if kept is None and tune.leaves_open(run.config):
        raise CheckpointError(
            f"{run.folder / tune.FILE} is missing: it says what was chosen at the first start, and {found.name} goes with "
            "that. force=true starts it over."
        )
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


def _state_bytes(run: Run, facts: Facts) -> int:
    return expected_bytes(facts.num_parameters, rollback=run.config["on_divergence"] == "rollback")


def _files(run: Run) -> dict[str, str]:
    """What stands in a run folder from the start."""
    return {
        "config.yaml": yaml.safe_dump(run.config, sort_keys=False),
        ".hydra/config.yaml": OmegaConf.to_yaml(run.composed.tree),
        ".hydra/overrides.yaml": yaml.safe_dump(run.composed.command),
        ".hydra/hydra.yaml": yaml.safe_dump({"hydra": {"runtime": {"choices": run.composed.choices}}}),
    }
