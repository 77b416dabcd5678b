"""List the ids of the runs that the report of a study is about: protocol.json."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from dlexp.config import plain_json
from dlexp.config.compose import compose
from dlexp.config.grid import EXCLUDE, SKIP, WITHOUT_EFFECT, ZIP
from dlexp.errors import ConfigError
from dlexp.machine.notices import notify
from dlexp.machine.once import checking_once
from dlexp.run.plan import NOT_IN_LABEL, PlannedRun, plan
from dlexp.run.record.identity import slug
from dlexp.run.record.layout import PROTOCOL, find_run_folder
from dlexp.run.record.protocol_form import Protocol
from dlexp.study.cells import Cell, Repeat, Study, command, spell, spell_cell
from dlexp.study.choice import Searched, find_parent, list_searched
from dlexp.study.definition import CHANGED
from dlexp.study.request import Request
from dlexp.study.search import read_search
from dlexp.study.select import spell_groups
from dlexp.study.sharing import write_json

OBRIEN_FLEMING = "obrien_fleming"  # the bounds of looks that a command asks for
HASH_DIGITS = 8  # at the end of the report's folder; with 12, its name would be that of a run


class Listing(NamedTuple):
    """The runs of a study under the changes of a command, and the folder of their report.

    Args:
        study: With the values that the command gives to its axes.
        changed: What the command changes.
        folder: The study's own, or one beside the runs where something is changed.
        parent: The folder of the runs.
        searched: The searches of a study that tunes.
        runs: Every run of the comparison.
        plan: The looks of a study whose file has none, as the protocol holds them; or nothing.
    """

    study: Study
    changed: list[str]
    folder: Path
    parent: Path
    searched: Searched | None
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
    found = list_runs(study, request)
    content = {
        "study": asdict(found.study),
        **found.plan,
        "changes": found.changed,
        "command": typed,
        **({"search": found.searched.listed} if found.searched else {}),
        "runs": [listed.describe(found.study) for listed in found.runs],
    }
    write_json(found.folder / PROTOCOL, content)
    return found.folder


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
    parent, changed = find_parent(study, repeats[0], request.changes), list_changes(own, request)
    folder = locate_report(parent, changed)
    earlier = _read_earlier(folder / PROTOCOL)
    added = [(cell, repeat) for repeat in request.repeats if repeat not in study.repeats for cell in request.cells]
    begun = [pair for pair in _list_earlier(study, earlier) if pair not in added]
    draws = [repeat.data_seed for repeat in [*repeats, *(repeat for _, repeat in added + begun)]]
    searched = list_searched(study, draws, request.changes)

    def list_all(pairs: Iterable[tuple[Cell, Repeat]]) -> list[_Listed]:
        return [_Listed(study, cell, repeat, request.changes, searched) for cell, repeat in pairs]

    runs = list_all((cell, repeat) for cell in study.all_cells() for repeat in repeats)
    _check_distinct(runs)
    runs += list_all(added) + [each for each in list_all(begun) if each.run and find_run_folder(parent, each.run.identity)]
    return Listing(study, changed, folder, parent, searched, runs, _find_plan(study, request, earlier))


def list_changes(study: Study, request: Request) -> list[str]:
    """What a command changes in a study, as its file describes it; as it can be typed."""
    changed = [f"{key}={value}" for key, value in request.changes.items() if key not in NOT_IN_LABEL]
    changed += [f"{key}={','.join(map(spell, values))}" for key, values in request.axes.items()]
    changed += [f"{ZIP}={spell_groups(request.grid)}"] if request.grid.together else []
    changed += [f"{EXCLUDE}={spell(list(map(dict, request.grid.exclude)))}"] if request.grid.exclude else []
    changed += [f"{SKIP}={WITHOUT_EFFECT}"] if request.left_out and not study.skip else []
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
    """A run of the comparison; without `run` if the search has not chosen its settings."""

    def __init__(self, study: Study, cell: Cell, repeat: Repeat, changes: Mapping[str, str], searched: Searched | None) -> None:
        self.study, self.cell, self.repeat = study, cell, repeat
        settings = searched.find_settings(cell, repeat) if searched else {}
        self.untuned = searched.find_state(cell, repeat) if searched and settings is None else None
        self.run: PlannedRun | None = None
        if settings is not None:
            self.run = plan(compose(command(study, {**cell, **settings}, repeat, changes)), study.name)

    @property
    def identity(self) -> str:
        """The id of the run, or an id that no run has."""
        if self.run:
            return self.run.identity
        return hashlib.sha256(f"untuned {spell_cell(self.cell)} {self.repeat}".encode()).hexdigest()[:12]

    def describe(self, study: Study) -> dict[str, Any]:
        """The run as protocol.json lists it."""
        marked: dict[str, Any] = {} if self.repeat in study.repeats else {"unplanned": True}
        marked |= {"untuned": self.untuned} if self.untuned else {}
        return {"id": self.identity, "cell": self.cell, **self.repeat.settings, **marked}


def _list_earlier(study: Study, earlier: Mapping[str, Any]) -> Iterator[tuple[Cell, Repeat]]:
    """The runs with seeds or on draws that the file does not list, which an earlier command has asked for."""
    cells, search = study.all_cells(), read_search(study)
    unplanned = [run for run in earlier.get("runs", []) if run.get("unplanned")]
    for cell, repeat in [(run["cell"], Repeat(run["seed"], run.get("data_seed"))) for run in unplanned]:
        draws_alike = (repeat.data_seed is None) == (not study.data_seeds)  # else the file has changed since
        of_search = search is not None and repeat.seed in search.seeds  # likewise
        if cell in cells and draws_alike and not of_search and repeat not in study.repeats:
            yield cell, repeat


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
        first = seen.setdefault(listed.identity, listed)
        if first is not listed:
            raise ConfigError(
                f"study={listed.study.name}: the cells {spell_cell(first.cell)} and {spell_cell(listed.cell)} are the same run "
                f"({listed.identity}): what they set makes no difference, with these settings and on this machine."
            )
