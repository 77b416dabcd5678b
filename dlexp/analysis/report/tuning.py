"""Show in a report how each cell was tuned: what its search chose and what it cost, and what weakens the choice."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.judge.tuning import CellSearch, Tuning, list_edges
from dlexp.analysis.judge.untuned import list_untuned
from dlexp.analysis.read.folder import flatten
from dlexp.analysis.report.arrange import ABSENT, cell_name, varying_keys
from dlexp.analysis.report.labels import show
from dlexp.analysis.report.tables import Table, format_metric, format_number, shorten, to_text
from dlexp.analysis.report.text import Text

MAX_NAMED = 6  # cells that a sentence names


def name_search(result: StudyResult, search: CellSearch) -> str:
    """The name of the cell that a search is for, with the draw of the data if there are several."""
    name = name_cell(result, search, varying_keys(result))
    return name if search.data_seed is None else f"{name}, data_seed={search.data_seed}"


def name_cell(result: StudyResult, search: CellSearch, keys: Sequence[str]) -> str:
    """The values that the cell of a search has for these keys."""
    return cell_name({key: flatten(search.cell[key]) if key in search.cell else ABSENT for key in result.keys}, keys)


def show_settings(settings: Mapping[str, Any]) -> str:
    """The settings of a trial as they can be typed."""
    return " ".join(f"{key}={show(value)}" for key, value in settings.items())


def build_table(result: StudyResult, text: Text) -> Table | None:
    """For each cell the chosen settings, their score, and what the search cost."""
    if not (tuning := result.tuning):
        return None
    failed = any(map(_count_failed, tuning.searches))
    rows = []
    for search in tuning.searches:
        trial = None if search.chosen is None else search.trials[search.chosen]
        row = [name_search(result, search), show_settings(trial.settings) if trial else text(f"tuning_{search.state}")]
        row += [format_metric(tuning.metric, trial.score if trial else None), str(len(search.trials))]
        row += [str(_count_failed(search))] if failed else []
        rows.append([*row, str(search.num_runs), format_number(search.seconds)])
    head = [text("cell"), text("chosen_settings"), text.metric(tuning.metric), text("trials")]
    head += [*[text("failed_trials")] * failed, text("runs"), text("seconds")]
    return shorten(Table(text("caption_tuning"), head, rows, frozenset(range(2, len(head)))), text)


def _count_failed(search: CellSearch) -> int:
    """How many trials have a run that failed to learn."""
    return sum(trial.failed > 0 for trial in search.trials)


def describe(result: StudyResult, text: Text) -> list[str]:
    """How the cells were tuned, which choices were close or came of failures, and which searches have not chosen."""
    if not (tuning := result.tuning):
        return []
    possible = math.prod(len(values) for values in _list_values(result, tuning))
    drawn = text("tuning_drawn", possible=possible) if possible > len(tuning.trials) else ""
    sentences = [f"{text('tuning_about', _describe(tuning, text))} {drawn}".strip()]
    chosen = [search for search in tuning.searches if search.chosen is not None]
    tied = [search for search in chosen if search.num_tied > 1]
    failed = [search for search in chosen if search.trials[search.order[0]].failed]
    for key, found in (("tuning_tied", tied), ("tuning_failed", failed)):
        sentences += [text(key, cells=_name_all(result, found, text))] if found else []
    for state in ("unfinished", "unusable"):
        found = [search for search in tuning.searches if search.state == state]
        sentences += [text(f"tuning_note_{state}", cells=_name_all(result, found, text))] if found else []
    return sentences


def _list_values(result: StudyResult, tuning: Tuning) -> list[Sequence[Any]]:
    tune = result.protocol["study"].get("tune") or {}
    return [tune[key] for key in tuning.keys if isinstance(tune.get(key), list)]


def list_warnings(result: StudyResult, text: Text) -> list[str]:
    """Choices at the end of a list, searches that would choose otherwise by now, and those made by other code."""
    if not (tuning := result.tuning):
        return []
    warnings, edges = [], [(search, list_edges(tuning, search)) for search in tuning.searches]
    for key in tuning.keys:
        if found := [search for search, keys in edges if key in keys]:
            ends = [f"{name_search(result, search)} ({show(search.trials[search.order[0]].settings[key])})" for search in found]
            warnings.append(text("tuning_edge", key=key, cells=_join(ends, text)))
    if tuning.changed:
        warnings.append(text("tuning_changed", cells=_name_all(result, tuning.changed, text)))
    if other := [search for search in tuning.searches if _is_by_other_code(result, tuning, search)]:
        warnings.append(text("tuning_code", cells=_name_all(result, other, text)))
    return warnings


def _is_by_other_code(result: StudyResult, tuning: Tuning, search: CellSearch) -> bool:
    """Whether the chosen trial and the comparison, which differ in the seed alone, were made by different code."""
    if search.chosen is None or "code" not in result.runs or "code" not in tuning.runs:
        return False
    runs, listed = result.protocol["search"]["runs"], result.protocol["runs"]
    tried = [place for place, run in enumerate(runs) if _is_of(run, search) and run["trial"] == search.chosen]
    compared = [place for place, run in enumerate(listed) if _is_of(run, search)]
    then = set(map(to_text, tuning.runs["code"].iloc[tried])) - {""}
    now = set(map(to_text, result.runs["code"].iloc[compared])) - {""}
    return bool(then and now and then != now)


def _is_of(run: Mapping[str, Any], search: CellSearch) -> bool:
    return json.dumps(run["cell"]) == json.dumps(search.cell) and run.get("data_seed") == search.data_seed


def describe_card(result: StudyResult, prediction: Mapping[str, Any], text: Text) -> list[str]:
    """The lines of a card on the search: that both sides were tuned alike; in Korean also which cells lack settings."""
    if not (tuning := result.tuning):
        return []
    untuned = list_untuned(prediction, result.protocol["runs"]) if text.lang != "en" else {}  # the reason has it in English
    lacking = [text(f"tuning_note_{why}", cells="; ".join(cells)) for why, cells in untuned.items()]
    return [text("tuning_card", _describe(tuning, text)), *lacking]


def _describe(tuning: Tuning, text: Text) -> dict[str, Any]:
    number = len(tuning.seeds)
    seeds = text("tuning_seed" if number == 1 else "tuning_seeds", n=number, seeds=", ".join(map(str, tuning.seeds)))
    return {"trials": len(tuning.trials), "keys": ", ".join(tuning.keys), "seeds": seeds, "metric": text.metric(tuning.metric)}


def _name_all(result: StudyResult, searches: Iterable[CellSearch], text: Text) -> str:
    return _join([name_search(result, search) for search in searches], text)


def _join(names: Sequence[str], text: Text) -> str:
    more = text("and_more", n=len(names) - MAX_NAMED) if len(names) > MAX_NAMED else ""
    return "; ".join(names[:MAX_NAMED]) + more
