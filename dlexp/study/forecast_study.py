"""What a command on a study would do: the forecast of its cells, with the runs of its search and of its comparison."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dlexp.config.compose import Composed
from dlexp.machine.once import checking_once
from dlexp.study.cells import ARM, Cell, Study, label, spell, spell_cell
from dlexp.study.choice import Searched, list_searched
from dlexp.study.forecast import CellForecast, Run, list_cells
from dlexp.study.registration import describe_registration
from dlexp.study.request import Request, compose_chosen, number_runs

Settings = tuple[tuple[str, str], ...]  # of a cell: key and text of its value


class StudyForecast(NamedTuple):
    """What a command on a study would do.

    Args:
        cells: Its cells, with the runs of the search and of the comparison.
        registered: A sentence on the registrations of the study; or an empty text.
        phases: How many runs are of the search and of the comparison; an empty text where the study tunes nothing.
        lacking: Why cells will not be compared, a sentence each.
    """

    cells: list[CellForecast]
    registered: str
    phases: str
    lacking: list[str]


@checking_once()
def list_study(study: Study, request: Request, first: Sequence[Composed]) -> StudyForecast:
    """List the cells of a study with the state of their runs, and with the seconds to expect.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        first: The runs that the command begins with, from `compose_runs`.

    Raises:
        ConfigError: With every mistake that is found when a run is planned.
    """
    draws = [repeat.data_seed for repeat in request.repeats]
    searched = list_searched(request.apply_to(study), draws, request.changes)
    names = request.cells * (len(first) // len(request.cells))  # cells vary fastest
    chosen = compose_chosen(study, request, searched.settings) if searched else []
    names += [cell for repeat in request.repeats for cell in request.cells if searched and searched.find_settings(cell, repeat)]
    cells = list_cells([*first, *chosen], [dict(_name(cell)) for cell in names], study.name)
    for cell in cells if study.recipe else ():  # its arms are named after what differs in them
        cell.name = cell.settings[ARM]
    planned = next((run.planned for cell in cells for run in cell.runs if run.planned), None)
    registered = describe_registration(study, request, planned.study_folder) if planned else ""
    if not searched:
        return StudyForecast(cells, registered, "", [])
    lacking = list(dict.fromkeys(_add_unchosen(cells, request, searched)))
    tried, compared = number_runs(study, request)
    return StudyForecast(cells, registered, f"{tried} are of the search, {compared} of the comparison.", lacking)


def _name(cell: Cell) -> Settings:
    return tuple((key, spell(value)) for key, value in cell.items())


def _add_unchosen(cells: Sequence[CellForecast], request: Request, searched: Searched) -> Iterator[str]:
    """Add the runs of the comparison whose settings the search has not chosen to their cells.

    They are to do if a run of the search of their cell is. Else the search is over and has chosen nothing: a sentence says why.
    """
    searching = {(spell_cell(tried.cell), tried.repeat.data_seed) for tried in searched.runs if tried.run.must_run()}
    by_name = {tuple(cell.settings.items()): cell for cell in cells}
    for repeat in request.repeats:
        for cell in request.cells:
            if searched.find_settings(cell, repeat) is None:
                due = (spell_cell(cell), repeat.data_seed) in searching
                title = f"{' '.join(label(cell, repeat, request.changes))}, with settings that the search chooses"
                by_name[_name(cell)].runs.append(Run(title, "to do" if due else "untuned", due=due))
                yield from () if due else searched.explain([cell], [repeat.data_seed])
