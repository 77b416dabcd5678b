"""One run in the order it happens: gather facts, find its saved state, train, record."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from dlexp.config.values import format_value
from dlexp.contract import Dataset
from dlexp.errors import CheckpointError, DatasetError, HeldError, MovedError
from dlexp.machine.device import describe_device
from dlexp.machine.memory import is_out_of_memory
from dlexp.machine.once import checking_once
from dlexp.run import signals
from dlexp.run.begin_record import begin_summary, open_record
from dlexp.run.display import Display
from dlexp.run.plan import PlannedRun, fingerprint_data
from dlexp.run.record import checkpoint, disk
from dlexp.run.record.checkpoint import expected_bytes
from dlexp.run.record.folder import Record
from dlexp.run.record.lock import Hold, hold
from dlexp.run.record.place import explain_moved
from dlexp.run.resume import check_whole, find_saved_state
from dlexp.run.setup import tuning
from dlexp.run.setup.batch_size import estimate_batch_size, find_batch_size
from dlexp.run.setup.factories import describe_part, forget_data, load_dataset, make_probes
from dlexp.run.setup.facts import Facts, check_facts
from dlexp.run.setup.lab_modules import find_place, import_parts, users_errors
from dlexp.run.side_by_side import Messages
from dlexp.run.trainer import Trainer

MAX_REASON_LENGTH = 2000  # characters of an error's message in the summary; train.log has the whole message


def gather_facts(run: PlannedRun) -> Facts:
    """Load the data, build the model without memory, and check the config against both. Writes nothing but decoded data.

    Raises:
        ConfigError: With everything that does not fit together.
        UnsupportedError: If the config is sound but this machine cannot run it.
        DatasetError: If the data cannot be read or downloaded, or have changed since the run was planned.
    """
    with users_errors():
        return _gather_facts(run)


def _gather_facts(run: PlannedRun) -> Facts:
    dataset = read_dataset(run)
    facts = check_run(run, dataset)
    if run.config["batch_size"] == "auto":
        measurements = None
        with suppress(CheckpointError):  # reported when the run starts
            measurements = _read_measurements(run)
        size = measurements["chosen"]["batch_size"] if measurements else estimate_batch_size(run.config, facts)
        facts = check_run(run, facts.dataset, size)
    if run.config["hardware"]["tune"]:
        # Raises an error if there is nothing to choose.
        tuning.list_candidates(run.config, facts, run.composed.overridden_keys)
    return facts


def read_dataset(run: PlannedRun) -> Dataset:
    """Import what the run takes from the lab, and read and prepare its data.

    Raises:
        ConfigError: If that fails for what the config says, or for a module of the lab.
        DatasetError: If the data cannot be read or downloaded, or have changed since the run was planned.
    """
    with users_errors():
        import_parts(run.config, run.composed.choices, run.sources)
        with checking_once():
            dataset = load_dataset(run.config, run.version)
            if fingerprint_data(run.composed, run.config) != run.fingerprint:
                forget_data()  # what was read may be of other files than those that it would be remembered by
                raise DatasetError(f"{run.title}: files of the dataset were changed since the command began. Give it again.")
    return dataset


def check_run(run: PlannedRun, dataset: Dataset, batch_size: int | None = None) -> Facts:
    """Check the config against device, data and model, with another batch size if one is given."""
    config = run.config if batch_size is None else {**run.config, "batch_size": batch_size}
    groups = ("augment", "average", "model", "precision", "scheduler")
    parts: dict[str, Any] = {group: describe_part(config, group, run.version) for group in groups}
    parts["probe"] = partial(make_probes, config)
    return check_facts(config, run.composed.choices, run.composed.overridden_keys, parts, dataset, run.device)


def execute(run: PlannedRun, facts: Facts, display: Display) -> dict[str, Any] | None:
    """Train, measure and record one run. A failure of the run itself is recorded too.

    Returns:
        The summary as written, or None if another process has finished the run since it was planned.

    Raises:
        HeldError: If another process is working on the run.
        CheckpointError: If the run was interrupted, and none of its saved states can be read.
        ConfigError: If the config in its folder was changed since it began.
        DiskError: If the disk is full or cannot be written. Everything saved before is intact.
        MovedError: If the folder of the run, or its lock, is removed, renamed or replaced while it is executed.
    """
    with _holding(run, facts) as held:
        return _execute(run, facts, display, held)


def record_failure(run: PlannedRun, facts: Facts, reason: str) -> dict[str, Any]:
    """Record that a run has failed which could not do so itself, because its process was ended. What was saved stays.

    Returns:
        The summary as written.

    Raises:
        HeldError, CheckpointError, ConfigError, DiskError, MovedError: As `execute`.
    """
    with _holding(run, facts) as held:
        check_whole(run)
        saved = find_saved_state(run, _read_measurements(run), Messages(lambda _: None, lambda _: None))
        record = open_record(run, facts, saved, held.check)
        record.log(reason)
        return record.finish({**begin_summary(run), "status": "failed", "reason": reason, **describe_device(run.device)})


@contextmanager
def _holding(run: PlannedRun, facts: Facts) -> Iterator[Hold]:
    """Within this context this process holds the run, and a refusal of the disk is a DiskError."""
    try:
        with hold(run.study_folder, run.identity) as held:
            yield held
    except OSError as error:
        if moved := disk.find_gone(error, run.study_folder):
            raise explain_moved(moved, run.folder) from error
        if not disk.refusal(error):
            raise
        raise disk.explained(error, run.folder, _state_bytes(run, facts)) from error


def _execute(run: PlannedRun, facts: Facts, display: Display, held: Hold) -> dict[str, Any] | None:
    """Execute a run that this process holds, unless it is finished."""
    with checking_once():  # no other process makes the folder of the run now
        if run.read_summary() and not run.must_run():
            return None
        check_whole(run)
        folder, measurements = run.folder, _read_measurements(run)
        saved = find_saved_state(run, measurements, display)
        if warning := disk.check_room(folder, _state_bytes(run, facts), checkpoint.NUM_STATES):
            display.say(warning)
        record, summary = open_record(run, facts, saved, held.check), begin_summary(run)
    try:
        config = run.config
        if tuning.needs_measurement(config):
            measurements = measurements or _measure(run, facts)
            tuning.write_measurements(folder, measurements)
            facts, config = _apply_choices(run, facts, measurements["chosen"])
            summary |= _report_choices(measurements["chosen"], record, display)
        trainer = Trainer(config, facts, record, display, run.title)
        if saved:
            trainer.resume(saved)
        summary |= trainer.complete()
    except (KeyboardInterrupt, HeldError, MovedError):
        record.close()
        raise
    except Exception as error:
        record.check()  # of a run whose folder is elsewhere now, no failure is recorded
        if refused := disk.refusal(error):
            raise refused from error
        if signals.requested():  # an interrupted library, or a loader's worker, may raise an error of its own
            raise KeyboardInterrupt from error
        record.log(traceback.format_exc())
        summary |= {
            "status": "oom" if is_out_of_memory(error) else "failed",
            "reason": _explain(error)[:MAX_REASON_LENGTH],
        }
    finally:
        display.end()
    return record.finish({**summary, **describe_device(run.device)})


def _explain(error: Exception) -> str:
    """What went wrong, and where in the lab if it was there."""
    place = find_place(error)
    message = f"{type(error).__name__}: {error}"
    return " ".join([message, *([f"({place})"] if place else []), *getattr(error, "__notes__", ())])


def _read_measurements(run: PlannedRun) -> tuning.Measurements | None:
    """The measurements of the run's first start, if there were any.

    Raises:
        CheckpointError: If their file is damaged, and the run is not to start over.
    """
    if not tuning.needs_measurement(run.config):
        return None
    try:
        return tuning.read_measurements(run.folder, run.config)
    except CheckpointError:
        if run.config["force"]:
            return None
        raise


def _measure(run: PlannedRun, facts: Facts) -> tuning.Measurements:
    """Measure the settings that the config leaves open."""
    measurements: tuning.Measurements = {"chosen": {}}
    if run.config["batch_size"] == "auto":
        measurements = find_batch_size(run.config, facts, partial(check_run, run, facts.dataset))
        facts, _ = _apply_choices(run, facts, measurements["chosen"])
    if run.config["hardware"]["tune"]:
        timed = tuning.time_candidates(run.config, facts, run.composed.overridden_keys)
        measurements |= timed | {"chosen": measurements["chosen"] | timed["chosen"]}
    return measurements


def _apply_choices(run: PlannedRun, facts: Facts, chosen: tuning.Settings) -> tuple[Facts, dict[str, Any]]:
    """Facts and config with the chosen settings."""
    if "batch_size" in chosen:
        facts = check_run(run, facts.dataset, chosen["batch_size"])
    return facts, tuning.with_tuned_hardware(run.config, chosen)


def _report_choices(chosen: tuning.Settings, record: Record, display: Display) -> dict[str, Any]:
    """Show and log the chosen settings, and return the entries for the summary."""
    text = f"Chosen at the first start: {', '.join(f'{key}={format_value(value)}' for key, value in chosen.items())}."
    display.say(text)
    record.log(text)
    return {"tuned": chosen, **({"batch_size": chosen["batch_size"]} if "batch_size" in chosen else {})}


def _state_bytes(run: PlannedRun, facts: Facts) -> int:
    return expected_bytes(facts.num_parameters, rollback=run.config["on_divergence"] == "rollback")
