"""The runs of a study's search, and the settings that it has chosen for each cell so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.config.compose import Composed, compose
from dlexp.errors import ConfigError
from dlexp.machine.once import checking_once
from dlexp.run.plan import PlannedRun, plan
from dlexp.run.record.layout import find_run_folder
from dlexp.study.cells import Cell, Repeat, Study, command, list_repeats, spell_cell
from dlexp.study.request import Request, compose_chosen
from dlexp.study.search import Search, read_search
from dlexp.study.sweep import Checked, check_cells

Key = tuple[str, int | None]  # a cell, as `spell_cell` has it, and the draw of its data


@dataclass(frozen=True)
class Tried:
    """A run of a search: the trial at this place, for this cell."""

    cell: Cell
    trial: int
    repeat: Repeat
    run: PlannedRun

    def describe(self) -> dict[str, Any]:
        """The run as protocol.json lists it."""
        return {"id": self.run.identity, "cell": self.cell, "trial": self.trial, **self.repeat.settings}


class Searched:
    """The searches of a study, and what they have chosen.

    Args:
        study: With the values that the command gives to its axes.
        search: Its search.
        runs: All runs of the searches.
    """

    def __init__(self, study: Study, search: Search, runs: list[Tried]) -> None:
        from dlexp.analysis.judge.tuning import read_trials, read_tuning
        from dlexp.analysis.read.load import read_run_folders

        parent, damaged = runs[0].run.study_folder, dict[str, str]()
        folders = [find_run_folder(parent, tried.run.identity) for tried in runs]
        found = {run.id: run for run in read_run_folders([folder for folder in folders if folder], damaged)}
        listed: dict[str, Any] = {"metric": search.metric, "seeds": search.seeds, "trials": search.trials, "choices": []}
        listed["runs"] = [tried.describe() for tried in runs]
        tuning = read_tuning(listed, read_trials(listed, found, damaged), study.learned)
        self.runs = runs
        self.searches = {(spell_cell(each.cell), each.data_seed): each for each in tuning.searches}
        chosen = {key: each.chosen for key, each in self.searches.items()}
        self.settings = {key: search.trials[place] for key, place in chosen.items() if place is not None}
        for each in tuning.searches:
            if each.chosen is not None:
                drawn = {} if each.data_seed is None else {"data_seed": each.data_seed}
                listed["choices"].append({"cell": dict(each.cell), **drawn, "trial": each.chosen})
        self.listed = listed

    def find_settings(self, cell: Cell, repeat: Repeat) -> Cell | None:
        """The settings that are chosen for a cell; None if there are none yet."""
        return self.settings.get((spell_cell(cell), repeat.data_seed))

    def find_state(self, cell: Cell, repeat: Repeat) -> str:
        """Why there are none: `unfinished` or `unusable`."""
        return self.searches[spell_cell(cell), repeat.data_seed].state

    def explain(self, cells: Iterable[Cell], draws: Iterable[int | None]) -> list[str]:
        """A sentence on each of these cells for which nothing is chosen."""
        keys = [(spell_cell(cell), drawn) for drawn in draws for cell in cells]
        return [
            _explain(self.searches[key].state, self.searches[key].num_missing, key) for key in keys if key not in self.settings
        ]


def _explain(state: str, missing: int, key: Key) -> str:
    cell, drawn = key
    where = cell if drawn is None else f"{cell}, data_seed={drawn}"
    why = "no trial of its search has learned" if state == "unusable" else f"{missing} runs of its search have not ended"
    return f"{where}: {why}: no settings are chosen, and its runs are not started."


@checking_once()
def list_searched(study: Study, draws: Iterable[int | None], changes: Mapping[str, str]) -> Searched | None:
    """The searches of all cells of a study, on these draws of the data; None if the study tunes nothing.

    Raises:
        ConfigError: If two trials of a cell are the same run.
    """
    if not (search := read_search(study)):
        return None
    data_seeds = [drawn for drawn in dict.fromkeys(draws) if drawn is not None]
    runs = [
        Tried(cell, place, repeat, plan(compose(command(study, {**cell, **trial}, repeat, changes)), study.name))
        for repeat in list_repeats(search.seeds, data_seeds)
        for place, trial in enumerate(search.trials)
        for cell in study.all_cells()
    ]
    seen: dict[str, Tried] = {}
    for tried in runs:
        first = seen.setdefault(tried.run.identity, tried)
        if first is not tried:
            trials = " and ".join(spell_cell({**each.cell, **search.trials[each.trial]}) for each in (first, tried))
            raise ConfigError(
                f"study={study.name}: the trials {trials} are the same run ({tried.run.identity}): what they set makes no "
                "difference, with these settings and on this machine."
            )
    return Searched(study, search, runs)


def compose_compared(study: Study, request: Request) -> tuple[list[Composed], list[str]]:
    """Compose the runs of the comparison whose settings are chosen.

    Args:
        study: As its file describes it; it tunes.
        request: What the command asks of it.

    Returns:
        These runs, and a sentence on each of the other cells.
    """
    draws = list(dict.fromkeys(repeat.data_seed for repeat in request.repeats))
    searched = list_searched(request.apply_to(study), draws, request.changes)
    if not searched:
        return [], []
    return compose_chosen(study, request, searched.settings), searched.explain(request.cells, draws)


def check_compared(study: Study, request: Request) -> tuple[Checked, list[str]]:
    """Compose and check the same runs.

    Raises:
        ConfigError: As `check_cells`; DatasetError, too.
    """
    composed, lacking = compose_compared(study, request)
    return check_cells(composed, study.name) if composed else Checked([], []), lacking


def find_parent(study: Study, repeat: Repeat, changes: Mapping[str, str]) -> Path:
    """The folder that holds the runs of a study."""
    search, cell = read_search(study), study.all_cells()[0]
    first = {**cell, **search.trials[0]} if search else cell
    return plan(compose(command(study, first, repeat, changes)), study.name).study_folder
