"""Read which runs of a study a command requests, and compose their configs. Loads no torch, so a mistake is refused at once.

The runs of a study are commands that a user could have typed, so they pass all checks of a command.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from dlexp.config.check import check_all, refuse, report_left_out
from dlexp.config.compose import Composed, compose
from dlexp.config.entry import show_command
from dlexp.config.grid import GRID, SKIP, WITHOUT_EFFECT, Grid, read_grid
from dlexp.config.grid_mistakes import check_word
from dlexp.config.lookup import look_up
from dlexp.config.overrides import parse
from dlexp.errors import ConfigError
from dlexp.machine.notices import notify
from dlexp.study.cells import Cell, Repeat, Study, command, label, list_repeats, spell_cell
from dlexp.study.definition import read_study
from dlexp.study.jobs import check_jobs
from dlexp.study.looks import MAX_SEEDS, SEEDS, Schedule, read_schedule
from dlexp.study.search import describe_missing_validation, find_tuned_axes, list_tuned, read_search
from dlexp.study.select import select_cells
from dlexp.study.skip import find_without_effect
from dlexp.study.typed import find_tuned_keys, find_value_mistakes, is_repeated

FIXED_DATA = "dataset.data_seed: draws the same data in every run, and data_seed has several values: leave one of the two out."


@dataclass(frozen=True)
class Request:
    """The part of a study that a command requests.

    Args:
        cells: The cells to run, narrowed by the command.
        seeds: Of each cell.
        data_seeds: The draws of the data on which each seed is run; empty if the study does not vary them.
        changes: Key → text of the value, set in every run. They make the protocol differ from the file.
        axes: Axis → the values of the command, of which the file lacks some. They make the protocol differ, too.
        schedule: With `seeds=auto`, at which numbers of seeds the study is judged, and all seeds that may be added.
        grid: `zip` and `exclude` of the command, where it gives an axis other values. They make the protocol differ, too.
        left_out: The cells that `skip=without_effect` leaves out, each with the reason.
    """

    cells: list[Cell]
    seeds: list[int]
    changes: dict[str, str]
    axes: dict[str, list[Any]] = field(default_factory=dict)
    data_seeds: list[int] = field(default_factory=list)
    schedule: Schedule | None = None
    grid: Grid = Grid()
    left_out: list[tuple[Cell, str]] = field(default_factory=list)

    @property
    def repeats(self) -> list[Repeat]:
        """The runs of each cell."""
        return list_repeats(self.seeds, self.data_seeds)

    def until(self, looked: int) -> "Request":
        """The part up to a look of the schedule: so many seeds, or draws of the data."""
        units = self.schedule.units[:looked] if self.schedule else []
        return replace(self, data_seeds=units) if self.data_seeds else replace(self, seeds=units)

    def between(self, begun: int, looked: int) -> "Request":
        """The part that is added from one look of the schedule to a later one."""
        later = self.until(looked)
        return (
            replace(later, data_seeds=later.data_seeds[begun:])
            if self.data_seeds
            else replace(later, seeds=later.seeds[begun:])
        )

    def apply_to(self, study: Study) -> Study:
        """The study with the values that the command gives to its axes, and with draws of the data if it lists none."""
        groups, excluded = [*study.zip, *map(list, self.grid.together)], [*study.exclude, *map(dict, self.grid.exclude)]
        study = replace(study, data_seeds=study.data_seeds or self.data_seeds, zip=groups, exclude=excluded)
        skip, skipped = (WITHOUT_EFFECT, [cell for cell, _ in self.left_out]) if self.left_out else (study.skip, [])
        study = replace(study, axes=study.axes | self.axes, skip=skip, skipped=skipped)
        made = study.combine_axes()
        return replace(study, cells=[cell for cell in study.cells if cell not in made])


def names_study(overrides: Sequence[str]) -> bool:
    """Whether a command names a study."""
    for text in overrides:
        with suppress(ConfigError):  # of an override that cannot be parsed; it is refused later
            if parse(text).key == "study":
                return True
    return False


def read_command(overrides: Sequence[str]) -> tuple[Study, Request]:
    """Read the study that a command names, and which part of it the command requests.

    Raises:
        ConfigError: If there is no such study, or if it has no such axis.
    """
    typed = [parse(text) for text in overrides]
    names = [value for override in typed if override.key == "study" for value in override.values]
    if len(names) != 1:
        raise ConfigError(f"study: give one; {show_command('reproduce')} runs several, one after the other.")
    study = read_study(str(names[0]))
    return study, narrow(study, [override.typed for override in typed if override.key != "study"])


def narrow(study: Study, overrides: Sequence[str]) -> Request:
    """Find the cells, seeds and changes that the overrides of a command (without `study=`) request.

    Raises:
        ConfigError: If a key that is no axis has several values, if a key comes twice, if `zip` or `exclude` does not fit the
            axes, if nothing is left, or if `seeds=auto` is not possible.
    """
    typed = [parse(text) for text in overrides]
    given = {item.key: item for item in typed}
    keys = [item.key for item in typed]
    schedule = read_schedule(study, given)
    given = {key: item for key, item in given.items() if key not in (SEEDS, MAX_SEEDS)}
    words = [given.pop(key) for key in GRID if key in given]
    problems = [f"{item.text}: {item.key} is set twice." for i, item in enumerate(typed) if item.key in keys[i + 1 :]]
    repeated = [key for key in ("seed", "data_seed") if is_repeated(key, study, given)]
    problems += [
        f"{item.text}: {study.name} has no axis {key}. Its axes: {', '.join([*study.keys, 'seed', 'data_seed'])}."
        for key, item in given.items()
        if len(item.values) > 1 and key not in (*study.keys, *repeated)
    ]
    problems += [
        line for key, item in given.items() if key in (*study.keys, *repeated) for line in find_value_mistakes(item, study)
    ]
    problems += find_tuned_keys(study, given)
    if "data_seed" in repeated:
        set_elsewhere = {**study.base, **dict.fromkeys(study.keys), **given, **dict(ChainMap(*study.when.values()))}
        problems += [FIXED_DATA] if "dataset.data_seed" in set_elsewhere else []
    wrong = [line for word in words for line in check_word(word, sweeps=True)]
    grid = Grid() if wrong else read_grid({word.key: word.value for word in words})
    if problems := [*problems, *wrong, *find_tuned_axes(grid, study)]:
        raise ConfigError(*dict.fromkeys(problems))
    narrowed = {key: item.values for key, item in given.items() if key in study.keys}
    axes, cells = select_cells(study, narrowed, grid)
    changes = {key: item.value_text for key, item in given.items() if key not in narrowed and key not in repeated}
    chosen = {key: given[key].values for key in repeated if key in given}
    seeds, data_seeds = chosen.get("seed", study.seeds), chosen.get("data_seed", study.data_seeds)
    request = Request(cells, seeds, changes, axes, data_seeds, schedule, grid if axes else Grid())
    if grid.skip or study.skip:
        request = _skip(study, request)
    return request.until(schedule.looks[-1]) if schedule else request


def _skip(study: Study, request: Request) -> Request:
    """The request without the cells in which a setting has no effect."""
    left_out = [(cell, reason) for cell, reason in find_without_effect(request.apply_to(study), request.changes) if reason]
    skipped = [cell for cell, _ in left_out]
    cells = [cell for cell in request.cells if cell not in skipped]
    if not cells:
        reasons = dict.fromkeys(reason for cell, reason in left_out if cell in request.cells)
        raise ConfigError(f"study={study.name}: {SKIP}={WITHOUT_EFFECT} leaves nothing of the cells.", *reasons)
    return replace(request, cells=cells, left_out=left_out)


def compose_runs(study: Study, request: Request) -> list[Composed]:
    """Compose and check the config of each run that a command begins with: those of the search if the study tunes, else all.

    The seed varies slowest: an interrupted study has whole seeds. The cells that are not requested are checked, too: the report
    lists them.

    The cells that `skip` leaves out, and settings of a recipe that are one switch, are printed.

    Raises:
        ConfigError: With everything that is wrong with any of them.
    """
    report_left_out([(spell_cell(cell), reason) for cell, reason in request.left_out])
    for joined in filter(None, (switch["joined"] for switch in study.switches)):
        notify(joined)
    return compose_first(study, request)


def compose_first(study: Study, request: Request) -> list[Composed]:
    """Compose and check the same runs, and print nothing."""
    study = request.apply_to(study)
    others = [cell for cell in study.all_cells() if cell not in request.cells]
    if not (search := read_search(study)):
        requested = [(cell, repeat) for repeat in request.repeats for cell in request.cells]
        return _compose(study, requested, [(cell, study.repeats[0]) for cell in others], request.changes)
    requested = [
        ({**cell, **trial}, repeat)
        for repeat in list_repeats(search.seeds, request.data_seeds)
        for trial in search.trials
        for cell in request.cells
    ]
    first = list_repeats(search.seeds, study.data_seeds)[0]
    checked = [({**cell, **trial}, first) for trial in search.trials for cell in others]
    checked += [({**request.cells[0], **search.trials[0]}, repeat) for repeat in request.repeats]  # the seeds
    return _compose(study, requested, checked, request.changes)


def compose_chosen(study: Study, request: Request, chosen: Mapping[tuple[str, int | None], Cell]) -> list[Composed]:
    """Compose the runs of the comparison, of each cell with the settings that its search has chosen.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        chosen: Cell (as `spell_cell` has it) and draw of the data → settings. Runs without any are left out.
    """
    requested = [
        ({**cell, **chosen[key]}, repeat)
        for repeat in request.repeats
        for cell in request.cells
        if (key := (spell_cell(cell), repeat.data_seed)) in chosen
    ]
    return _compose(request.apply_to(study), requested, [], request.changes)


def number_runs(study: Study, request: Request) -> tuple[int, int]:
    """How many runs a command asks for: of the search, and of the comparison."""
    search = read_search(study)
    draws, tried = max(1, len(request.data_seeds)), len(search.trials) * len(search.seeds) if search else 0
    return len(request.cells) * tried * draws, len(request.cells) * len(request.repeats)


Run = tuple[Cell, Repeat]


def _compose(study: Study, requested: list[Run], others: list[Run], changes: Mapping[str, str]) -> list[Composed]:
    """Compose the requested runs, and check them and the others."""
    commands = [command(study, cell, repeat, changes) for cell, repeat in requested + others]
    problems: dict[str, None] = {}
    for overrides in commands:
        replaceable = {parse(text).key for text in overrides} - changes.keys()
        problems |= dict.fromkeys(look_up(overrides, multirun=False, replaceable=replaceable))
    if problems:
        raise ConfigError(*problems)
    labels = [label(cell, repeat, changes) for cell, repeat in requested + others]
    keys = {*study.keys, *list_tuned(study), *study.repeats[0].settings}
    composed = [compose(overrides, name, keys) for overrides, name in zip(commands, labels, strict=True)]
    _check_validation(composed, study)
    check_all(composed)
    check_jobs(composed, study)
    return composed[: len(requested)]


def _check_validation(composed: list[Composed], study: Study) -> None:
    """Check that a study which tunes holds examples out in every run."""
    if study.tune:
        found = [(problem, run) for run in composed if (problem := describe_missing_validation(run.tree))]
        refuse([(f"study={study.name}: {problem}", run) for problem, run in found], len(composed))
