"""Find the cells of a study in which a setting has no effect: `skip=without_effect` leaves them out. Loads no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dlexp.config import check
from dlexp.config.grid import SKIP, WITHOUT_EFFECT
from dlexp.config.lookup import find_mistakes
from dlexp.study.cells import Cell, Study, command
from dlexp.study.search import read_search


def find_without_effect(study: Study, changes: Mapping[str, str]) -> Iterator[tuple[Cell, str]]:
    """Each cell that a study has without `skip`, and why a setting has no effect in it; an empty text where each has one.

    Of a cell in which something else is wrong the text is empty: it is refused with the study. All cells of a study that tunes
    get the same trials, so a setting must be without effect in each of them.

    Args:
        study: The study. What `find_tune_mistakes` finds in it must have been refused.
        changes: What a command changes in every run.
    """
    search = read_search(study)
    for cell in replace(study, skipped=[]).all_cells():
        reason = ""  # of the last trial, if each has one
        for trial in search.trials if search else [{}]:
            overrides = command(study, {**cell, **trial}, study.repeats[0], changes)
            wrong = find_mistakes([*overrides, f"{SKIP}={WITHOUT_EFFECT}"], multirun=True, suggest=False)
            reason = "" if wrong else check.find_without_effect(overrides)
            if not reason:
                break
        yield cell, reason
