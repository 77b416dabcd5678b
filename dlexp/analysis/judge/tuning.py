"""Choose the settings of each cell by its search, on the validation split alone, before the cells are compared.

A trial is a combination of values, run with the seeds of the search. Trials in which fewer runs failed to learn come first,
then those with the better mean of the metric over the runs that learned; of equal ones the first that is listed is chosen.
Columns of the test split are removed before anything is computed.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from dlexp.analysis.judge.cells import NOT_RUN
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.learned import find_learned
from dlexp.analysis.judge.planned import add_curve_columns, build_planned
from dlexp.analysis.read.concatenate import concatenate_csv
from dlexp.analysis.read.folder import RunFolder
from dlexp.analysis.read.load import build_runs

Cell = Mapping[str, Any]
State = Literal["chosen", "unfinished", "unusable"]
TEST_COLUMNS = ("test/", "best/test/")


@dataclass(frozen=True)
class Trial:
    """A combination of values that was tried for a cell.

    Args:
        settings: The values.
        score: The mean of the metric over its runs that learned; None if there are none.
        learned, failed, missing: How many of its runs learned, failed to learn (also for want of memory), and have not ended.
    """

    settings: Cell
    score: float | None
    learned: int
    failed: int
    missing: int


@dataclass(frozen=True)
class CellSearch:
    """The search of a cell, on one draw of the data.

    Args:
        cell: The cell.
        data_seed: The draw; None where the study has only one.
        metric: What trials are judged by.
        trials: The trials, in the order in which they are listed.
        seconds: Of training, over all of its runs.
        chance: The accuracy that chance gives; None where it is not known.
    """

    cell: Cell
    data_seed: int | None
    metric: str
    trials: tuple[Trial, ...]
    seconds: float
    chance: float | None

    @property
    def num_runs(self) -> int:
        """How many of its runs have ended."""
        return sum(trial.learned + trial.failed for trial in self.trials)

    @property
    def num_missing(self) -> int:
        """How many of its runs have not ended."""
        return sum(trial.missing for trial in self.trials)

    @cached_property
    def order(self) -> list[int]:
        """The places of the trials, the best first; those that did not learn at all are last."""
        return sorted(range(len(self.trials)), key=self._rank)

    def _rank(self, place: int) -> tuple[bool, int, float]:
        trial = self.trials[place]
        worse = -1 if is_rising(self.metric) else 1
        return trial.score is None, trial.failed, math.inf if trial.score is None else worse * trial.score

    @property
    def state(self) -> State:
        """`chosen`; `unfinished`: runs have not ended; `unusable`: all have, and none learned."""
        if self.num_missing:
            return "unfinished"
        return "unusable" if all(trial.score is None for trial in self.trials) else "chosen"

    @property
    def chosen(self) -> int | None:
        """The place of the best trial; None unless the state is `chosen`."""
        return self.order[0] if self.state == "chosen" else None

    @property
    def num_tied(self) -> int:
        """How many trials are as good as the chosen one, itself included; 0 if none is chosen."""
        return sum(self._rank(place) == self._rank(self.order[0]) for place in self.order) if self.state == "chosen" else 0

    @property
    def values(self) -> list[float]:
        """What each trial is worth, in the order of `order`: its score, or else chance; nan where that has no number."""
        instead = self.chance if self.chance is not None and self.metric.endswith("/acc") else math.nan
        scores = [self.trials[place].score for place in self.order]
        return [instead if score is None else score for score in scores]


@dataclass(frozen=True)
class Tuning:
    """The searches of a study.

    Args:
        metric: The metric of the validation split that the searches choose by.
        seeds: The seeds of the searches.
        trials: The combinations, the same for each cell.
        searches: One for each cell, on each draw of the data.
        chosen: For each of them the place of the trial whose settings the listed runs of the comparison have, or None.
        runs: One row for each run of the searches: `id, trial, seed, status, folder, reason`, the keys of the cells, the tuned
            keys, and the columns of `load_runs` but for those of the test split.
    """

    metric: str
    seeds: list[int]
    trials: list[Cell]
    searches: list[CellSearch]
    chosen: list[int | None]
    runs: pd.DataFrame

    @property
    def keys(self) -> list[str]:
        """The tuned keys."""
        return list(self.trials[0]) if self.trials else []

    @property
    def changed(self) -> list[CellSearch]:
        """The searches that would now choose other settings than those of the listed runs."""
        return [search for search, place in zip(self.searches, self.chosen, strict=True) if search.chosen != place]


def read_tuning(search: Mapping[str, Any], runs: pd.DataFrame, declared: Mapping[str, float] | None) -> Tuning:
    """Judge the searches of a study.

    Args:
        search: `search` of its protocol.json.
        runs: From `build_trials`.
        declared: `learned` of the study.
    """
    groups: dict[tuple[str, int | None], list[int]] = {}
    for place, run in enumerate(search["runs"]):
        groups.setdefault(_identify(run), []).append(place)
    recorded = {_identify(choice): choice["trial"] for choice in search["choices"]}
    searches = [
        _judge(search, search["runs"][places[0]], runs.iloc[places].reset_index(drop=True), declared)
        for places in groups.values()
    ]
    chosen = [recorded.get(key) for key in groups]
    return Tuning(search["metric"], search["seeds"], search["trials"], searches, chosen, runs)


def _identify(listed: Mapping[str, Any]) -> tuple[str, int | None]:
    """The cell and the draw of the data that a run or a choice belongs to."""
    return json.dumps(listed["cell"]), listed.get("data_seed")


def _judge(
    search: Mapping[str, Any], first: Mapping[str, Any], runs: pd.DataFrame, declared: Mapping[str, float] | None
) -> CellSearch:
    """Judge the search of one cell on one draw; what counts as learned depends on no other cell."""
    metric, tuned = search["metric"], list(search["trials"][0])
    learned, scores = find_learned(runs, tuned, declared), _read_scores(runs, metric)
    is_missing, has_learned = runs["status"].isin(NOT_RUN), learned.eq(True) & scores.notna()
    trials = []
    for place, settings in enumerate(search["trials"]):
        own = runs["trial"].eq(place)
        good, lacking = own & has_learned, int((own & is_missing).sum())
        score = float(scores[good].mean()) if good.any() else None
        trials.append(Trial(settings, score, int(good.sum()), int(own.sum() - good.sum()) - lacking, lacking))
    seconds, chance = (pd.to_numeric(runs.get(name, pd.Series(dtype=float))).dropna() for name in ("seconds", "chance"))
    cell, drawn = first["cell"], first.get("data_seed")
    return CellSearch(cell, drawn, metric, tuple(trials), float(seconds.sum()), float(chance.iloc[0]) if len(chance) else None)


def _read_scores(runs: pd.DataFrame, metric: str) -> pd.Series:
    """The metric of each run; of a run that restored the weights of its best epoch, the metric of these weights."""
    nothing = pd.Series(math.nan, runs.index)
    last, best, epoch, restored = (
        pd.to_numeric(runs.get(name, nothing)) for name in (metric, f"best/{metric}", "best/epoch", "restored_epoch")
    )
    return last.where(restored.isna() | (restored != epoch), best) if metric.startswith("val/") else last


def build_trials(
    search: Mapping[str, Any], loaded: pd.DataFrame, curves: pd.DataFrame, damaged: Mapping[str, str]
) -> pd.DataFrame:
    """One row for each run of a search, in the order in which the protocol lists them, without columns of the test split.

    Args:
        search: `search` of protocol.json.
        loaded: The runs that are there, as `load_runs` returns them.
        curves: Their curves; empty if the columns that are computed from them are in `loaded`.
        damaged: Messages on damaged runs, by their ids.
    """
    trials = search["trials"]
    planned = [{**run, "cell": {**run["cell"], **trials[run["trial"]]}} for run in search["runs"]]
    keys = list(dict.fromkeys(key for run in planned for key in run["cell"]))
    seen, shown = (frame.drop(columns=_list_test_columns(frame)) for frame in (loaded, curves))
    runs = add_curve_columns(build_planned(planned, keys, seen, damaged), shown)
    places = pd.Series([run["trial"] for run in planned], runs.index, dtype=int)
    return runs.assign(trial=places)[["id", "trial", *(name for name in runs if name not in ("id", "trial"))]]


def read_trials(search: Mapping[str, Any], found: Mapping[str, RunFolder], damaged: Mapping[str, str]) -> pd.DataFrame:
    """The table of `build_trials`, from run folders."""
    listed = [found[run["id"]] for run in search["runs"] if run["id"] in found]
    curves = concatenate_csv((run.path / "metrics.csv", {"id": run.id}) for run in listed)
    return build_trials(search, build_runs(listed), curves, damaged)


def _list_test_columns(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame if str(name).startswith(TEST_COLUMNS)]


def list_edges(tuning: Tuning, search: CellSearch) -> list[str]:
    """The tuned keys of which the chosen value is the lowest or the highest of at least three numbers.

    A lower end at 0 is none: a rate, a share or a strength has no value below.
    """
    if search.chosen is None:
        return []
    edges = []
    for key in tuning.keys:
        values, value = [trial[key] for trial in tuning.trials], search.trials[search.chosen].settings[key]
        if all(map(_is_number, values)) and len(set(values)) >= 3:
            edges += [key] if value == max(values) or (value == min(values) and value != 0) else []
    return edges


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
