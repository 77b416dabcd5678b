"""Find the cells of a study in which a setting has no effect: `skip=without_effect` leaves them out. Loads no torch."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from dlexp.config import check
from dlexp.config.grid import SKIP, WITHOUT_EFFECT
from dlexp.config.lookup import find_mistakes
from dlexp.config.options import default_choices
from dlexp.study.cells import Cell, Study, command, overrides_of
from dlexp.study.search import read_search


def find_without_effect(study: Study, changes: Mapping[str, str]) -> Iterator[tuple[Cell, str]]:
    """Each cell that a study has without `skip`, and why a setting has no effect in it; an empty text where each has one.

    Of a cell in which something else is wrong the text is empty: it is refused with the study. All cells of a study that tunes
    get the same trials, so a setting must be without effect in each of them.

    Args:
        study: The study. What `find_tune_mistakes` finds in it must have been refused.
        changes: What a command changes in every run.
    """
    search, cells = read_search(study), replace(study, skipped=[]).all_cells()
    trials = search.trials if search else [{}]
    options = _list_options([*cells, *trials], changes)
    for cell in cells:
        reason = ""  # of the last trial, if each has one
        for trial in trials:
            overrides = command(study, {**cell, **trial}, study.repeats[0], changes)
            as_sweep = [options.get(text.partition("=")[0], text) for text in overrides]
            wrong = find_mistakes([*as_sweep, f"{SKIP}={WITHOUT_EFFECT}"], multirun=True, suggest=False)
            reason = "" if wrong else check.find_without_effect(overrides)
            if not reason:
                break
        yield cell, reason


def _list_options(cells: Iterable[Cell], changes: Mapping[str, str]) -> dict[str, str]:
    """Group → the sweep over all of its options in these cells: a setting that only another one has is no unknown key."""
    chosen: dict[str, dict[str, None]] = {}
    for cell in cells:
        for key, text in overrides_of(cell).items():
            if key in default_choices() and key not in changes:
                chosen.setdefault(key, {})[text] = None
    return {group: f"{group}={','.join(options)}" for group, options in chosen.items()}
