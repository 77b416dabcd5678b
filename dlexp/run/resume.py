"""Find the saved state from which an interrupted run goes on, or say why there is none."""

import os

from dlexp.config import plain_yaml
from dlexp.config.plain_json import FormError
from dlexp.config.values import make_printable
from dlexp.errors import CheckpointError, ConfigError
from dlexp.run.display import Display
from dlexp.run.plan import PlannedRun, path_keys
from dlexp.run.record import checkpoint
from dlexp.run.record.checkpoint import SavedState
from dlexp.run.record.clear import FORCED
from dlexp.run.record.folder import explain_damage
from dlexp.run.record.forms import FINISHED, read_summary_file
from dlexp.run.record.identity import changes
from dlexp.run.record.layout import SUMMARY
from dlexp.run.record.links import check_link, check_no_links
from dlexp.run.record.modules import combine
from dlexp.run.setup import tuning


def check_whole(run: PlannedRun) -> None:
    """Check that a run's folder is its own, and that a run which has ended has all of its files as it wrote them.

    Raises:
        CheckpointError: If the folder is a link to another one; or if a file is missing or damaged and the run is not to start
            over: it is not done, and it does not start over by itself.
    """
    check_link(run.folder)
    if run.config["force"] or not os.path.lexists(run.folder / SUMMARY):
        return
    if problems := explain_damage(run.folder):
        raise CheckpointError(
            f"{run.folder} is damaged: {', '.join(problems)}, and so is not done. Nothing in it was changed; "
            "force=true runs it again."
        )


def find_saved_state(run: PlannedRun, measurements: tuning.Measurements | None, display: Display) -> SavedState | None:
    """The state to continue from, if there is one. With force=true only that of a start with force=true and the same code.

    Raises:
        CheckpointError: If there are links in the folder, if all states are damaged, or if the measurements that they depend
            on are missing.
        ConfigError: If the config in the folder is no longer the one that the run began with.
    """
    before = run.read_summary()
    if before is None:
        _name_damaged_summary(run, display)
    if not run.folder.exists() or (before and before["status"] in FINISHED):
        return None
    if run.config["force"]:
        return _find_forced_state(run, measurements, display)
    saved = _read_newest(run, measurements)
    if saved is None:
        if before is None:
            display.say(f"{run.folder} was interrupted before its first checkpoint: it starts over.")
        return None
    _check_continuable(run, measurements, saved)
    return _announce(saved, display)


def _name_damaged_summary(run: PlannedRun, display: Display) -> None:
    try:
        read_summary_file(run.folder)
    except FileNotFoundError:
        pass
    except FormError as error:
        display.say(f"{run.folder} is damaged, and its summary counts as never written: {error}.")


def _find_forced_state(run: PlannedRun, measurements: tuning.Measurements | None, display: Display) -> SavedState | None:
    """The state of an interrupted start with force=true; None if none can be used, so that the run starts over."""
    if not (run.folder / FORCED).exists() or (run.folder / SUMMARY).exists():
        return None
    try:
        saved = _read_newest(run, measurements)
        if saved is None:
            return None
        _check_continuable(run, measurements, saved)
    except (CheckpointError, ConfigError) as error:
        display.say(f"{error}\nforce=true: it starts over.")
        return None
    if not saved.same_code:
        display.say(f"force=true: {saved.name} was made by other code, and the run starts over.")
        return None
    return _announce(saved, display)


def _read_newest(run: PlannedRun, measurements: tuning.Measurements | None) -> SavedState | None:
    check_no_links(run.folder)
    settings = {**run.config["hardware"], **(measurements["chosen"] if measurements else {})}
    return checkpoint.newest(run.folder, run.device, settings["num_threads"], combine(run.modules))


def _check_continuable(run: PlannedRun, measurements: tuning.Measurements | None, saved: SavedState) -> None:
    """Check that the state belongs to this config.

    Raises:
        CheckpointError: If the measurements that it depends on are missing.
        ConfigError: If the config in the folder is another.
    """
    if measurements is None and tuning.needs_measurement(run.config):
        raise CheckpointError(
            f"{run.folder / tuning.FILE} is missing: it holds the settings that were chosen at the first start, and "
            f"{saved.name} depends on them. force=true starts the run over."
        )
    try:
        changed = changes(plain_yaml.parse(plain_yaml.read(run.folder / "config.yaml")), run.config, path_keys(run.composed))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{run.folder / 'config.yaml'} cannot be read, and it says which run the saved states are of: "
            f"{make_printable(str(error))}. Nothing was changed; force=true starts the run over."
        ) from error
    if changed:
        raise ConfigError(f"{run.folder / 'config.yaml'} was changed after the run began; force=true starts it over.", *changed)


def _announce(saved: SavedState, display: Display) -> SavedState:
    for problem in saved.refused:
        display.say(f"Refused: {problem}")
    differs = f"; not exact to the last bit: {saved.differs}" if saved.differs else ""
    display.say(f"Goes on from {saved.name}{differs}.")
    return saved
