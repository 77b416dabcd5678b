"""Run a study, and list the ids that its report is about."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from dlexp.config import plain_json
from dlexp.config.compose import compose
from dlexp.config.entry import show_command
from dlexp.config.suggestion import nearest_option
from dlexp.data.fingerprint import checking_once
from dlexp.errors import ConfigError, DiskError
from dlexp.machine.notices import notify
from dlexp.run.display import Display
from dlexp.run.plan import NOT_IN_LABEL, PlannedRun, plan
from dlexp.run.record import disk
from dlexp.run.record.identity import slug
from dlexp.run.record.layout import PROTOCOL, find_run_folder
from dlexp.run.record.protocol_form import Protocol
from dlexp.study.cells import Cell, Repeat, Study, spell, spell_cell
from dlexp.study.definition import CHANGED
from dlexp.study.request import Request, command
from dlexp.study.sweep import Checked, sweep, write_json

OBRIEN_FLEMING = "obrien_fleming"  # the bounds of looks that a command asks for
HASH_DIGITS = 8  # at the end of the report's folder; with 12, its name would be that of a run


class Ended(NamedTuple):
    """How a study ended: the exit code, 1 if a run failed, else 0; the path of its report; and why it was not replaced."""

    code: int
    report: Path
    not_replaced: str = ""


def run_study(study: Study, request: Request, checked: Checked, typed: str, display: Display | None = None) -> Ended:
    """Run the runs of a study that are not finished, and write its report.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        checked: Its runs, from `check_cells`.
        typed: The command.
        display: Shows the runs; by default the one that suits standard output.

    Raises:
        ConfigError: If no run has a metric that the study compares, or if two of its cells are the same run.
        DiskError: If the disk is full or cannot be written, or if the report cannot be made of what is there.
    """
    check_metrics(study, checked)
    folder = write_protocol(study, request, typed)
    code = sweep(checked, typed, display)
    from dlexp.analysis.read.folder import DamagedError
    from dlexp.analysis.report.replace import LessKnownError
    from dlexp.analysis.report.write import build_report  # draws figures: not needed until now

    try:
        return Ended(code, build_report(folder))
    except (DamagedError, OSError) as error:
        done, later = "written" if disk.refusal(error) else "made", f"{show_command('report')} {folder}"
        raise DiskError(
            f"{folder}: the report cannot be {done} ({error}). All runs are recorded: {later} writes it."
        ) from error
    except LessKnownError as error:
        not_replaced = f"{error} {show_command('report')} {folder} --replace replaces it all the same."
        return Ended(code, folder / "report.html", not_replaced)


def check_metrics(study: Study, checked: Checked) -> None:
    """Check that the runs of a study have the metrics that it compares.

    Raises:
        ConfigError: If no run has one of them.
    """
    problems = []
    for metric in dict.fromkeys([study.metric, *(str(entry["metric"]) for entry in study.predictions if "metric" in entry)]):
        if checked.metrics and "/" in metric and metric not in checked.metrics:  # others are counts, times and derived numbers
            near = nearest_option(metric, sorted(checked.metrics))
            problems.append(f"study={study.name}: metric: no run of this study has {metric}.{near}")
    if problems:
        raise ConfigError(*problems)


class Listing(NamedTuple):
    """The runs of a study under the changes of a command, and the folder of their report.

    Args:
        study: With the values that the command gives to its axes.
        changed: What the command changes.
        folder: The study's own, or one beside the runs where something is changed.
        runs: Every run that belongs to the study.
        plan: The looks of a study whose file has none, as the protocol holds them; or nothing.
    """

    study: Study
    changed: list[str]
    folder: Path
    runs: "list[_Listed]"
    plan: dict[str, Any]


def write_protocol(study: Study, request: Request, typed: str) -> Path:
    """Write protocol.json: the study, and the id of every run that belongs to it under the changes of the command.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        typed: The command.

    Returns:
        The folder of the report.

    Raises:
        ConfigError: If two cells are the same run.
        DiskError: If the disk is full or cannot be written.
    """
    study, changed, folder, runs, plan = list_runs(study, request)
    content = {
        "study": asdict(study),
        **plan,
        "changes": changed,
        "command": typed,
        "runs": [listed.describe(study) for listed in runs],
    }
    write_json(folder / PROTOCOL, content)
    return folder


@checking_once()
def list_runs(study: Study, request: Request) -> Listing:
    """List the runs that belong to a study under the changes of a command.

    Seeds and draws of the data that the file does not list belong to it, too, and are marked: those that the command asks for,
    and those that an earlier command has run. With `seeds=auto`, what comes only after the present look does not belong to it
    yet.

    Raises:
        ConfigError: If two cells are the same run.
    """
    own, study = study, request.apply_to(study)
    repeats = [repeat for repeat in study.repeats if not request.schedule or repeat in request.repeats]
    runs = [_Listed(study, cell, repeat, request.changes) for cell in study.all_cells() for repeat in repeats]
    _check_distinct(runs)
    parent, changed = runs[0].run.study_folder, list_changes(own, request)
    folder = locate_report(parent, changed)
    earlier = _read_earlier(folder / PROTOCOL)
    runs += _list_unplanned(study, request, parent, earlier)
    return Listing(study, changed, folder, runs, _find_plan(study, request, earlier))


def list_changes(study: Study, request: Request) -> list[str]:
    """What a command changes in a study, as its file describes it; as it can be typed."""
    changed = [f"{key}={value}" for key, value in request.changes.items() if key not in NOT_IN_LABEL]
    changed += [f"{key}={','.join(map(spell, values))}" for key, values in request.axes.items()]
    drawn = request.apply_to(study).data_seeds
    return changed + ([f"data_seed={','.join(map(spell, drawn))}"] if drawn != study.data_seeds else [])


def locate_report(parent: Path, changed: list[str]) -> Path:
    """The folder of a study's report: that of its runs, or one in it where a command changes something."""
    return parent / name_folder(changed) if changed else parent


def name_folder(changed: list[str]) -> str:
    """The name of the folder for the report of a changed study. Its hash distinguishes changes that look the same in it."""
    digest = hashlib.sha256(json.dumps(sorted(changed)).encode()).hexdigest()
    return f"{CHANGED}{slug(changed)}-{digest[:HASH_DIGITS]}"


class _Listed:
    """A run that the protocol lists."""

    def __init__(self, study: Study, cell: Cell, repeat: Repeat, changes: Mapping[str, str]) -> None:
        self.cell, self.repeat = cell, repeat
        self.run: PlannedRun = plan(compose(command(study, cell, repeat, changes)), study.name)

    def describe(self, study: Study) -> dict[str, Any]:
        marked = {} if self.repeat in study.repeats else {"unplanned": True}
        return {"id": self.run.identity, "cell": self.cell, **self.repeat.settings, **marked}


def _list_unplanned(study: Study, request: Request, parent: Path, earlier: Mapping[str, Any]) -> Iterator[_Listed]:
    """The runs with seeds or on draws that the file does not list: requested now, or requested before and begun."""
    pairs = [(cell, repeat) for repeat in request.repeats if repeat not in study.repeats for cell in request.cells]
    yield from (_Listed(study, cell, repeat, request.changes) for cell, repeat in pairs)
    cells = study.all_cells()
    unplanned = [run for run in earlier.get("runs", []) if run.get("unplanned")]
    for cell, repeat in [(run["cell"], Repeat(run["seed"], run.get("data_seed"))) for run in unplanned]:
        draws_alike = (repeat.data_seed is None) == (not study.data_seeds)  # else the file has changed since
        if cell in cells and draws_alike and repeat not in study.repeats and (cell, repeat) not in pairs:
            listed = _Listed(study, cell, repeat, request.changes)
            if find_run_folder(parent, listed.run.identity):
                yield listed


def _find_plan(study: Study, request: Request, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """The looks of a study whose file has none: those that the command asks for, or an earlier one has asked for."""
    if study.looks:
        return {}
    if request.schedule:
        return {"plan": {**request.schedule._asdict(), "bounds": OBRIEN_FLEMING}}
    return {"plan": earlier["plan"]} if "plan" in earlier else {}


def _read_earlier(path: Path) -> Mapping[str, Any]:
    """An earlier protocol; empty, and a notice, where it is damaged."""
    try:
        return plain_json.read(path, Protocol)
    except FileNotFoundError:
        return {}
    except plain_json.FormError as error:
        notify(
            f"{path.parent}: {error}. A new one replaces it; seeds that only the damaged one listed are no longer part of the "
            "study."
        )
        return {}


def _check_distinct(runs: list[_Listed]) -> None:
    seen: dict[str, _Listed] = {}
    for listed in runs:
        first = seen.setdefault(listed.run.identity, listed)
        if first is not listed:
            raise ConfigError(
                f"study={listed.run.study}: the cells {spell_cell(first.cell)} and {spell_cell(listed.cell)} are the same run "
                f"({listed.run.identity}): what they set makes no difference, with these settings and on this machine."
            )
