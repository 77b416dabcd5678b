"""Read the numbers of one arm of a study from its runs: one outcome per run, from results, curves or probes."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dlexp.analysis.judge.analyse import analyse
from dlexp.analysis.judge.cells import FINISHED, matches
from dlexp.analysis.judge.draws import Outcomes, Repeat, average_by_block, repeat_of
from dlexp.analysis.judge.learned import outcomes
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.judge.statistics import MIN_SEEDS
from dlexp.config import plain_json
from dlexp.run.record.protocol_form import Protocol

Cell = Mapping[str, Any]
Moment = Literal["first", "last", "mean"]


@dataclass(frozen=True)
class Sample:
    """What the runs of one arm have of a metric.

    Args:
        metric: Its name.
        outcomes: Seed, or (data_seed, seed) → value; None where the run failed to learn. A run that is missing, or that lacks a
            measurement, has no entry.
        repeats: All runs that the study asks for.
    """

    metric: str
    outcomes: Outcomes
    repeats: tuple[Repeat, ...]

    @property
    def numbers(self) -> dict[int, float]:
        """The values of the runs that learned, by seed; of a study over draws of the data, the mean of each draw."""
        return average_by_block({repeat: value for repeat, value in self.outcomes.items() if value is not None})


class NotRunError(LookupError):
    """Runs that a sentence needs do not exist; `command` makes them.

    `lacks` is `curves` or `probes` where their table of runs is there, but not the run folders, which hold these; else empty.
    """

    def __init__(self, study: str, dataset: str, lacks: str = "") -> None:
        super().__init__(f"{study} on {dataset} has " + (f"no {lacks} in its table of runs" if lacks else "not been run"))
        self.command, self.lacks = f"python train.py study={study} dataset={dataset}", lacks


class Evidence:
    """The results of the studies, with access to their numbers by seed.

    Args:
        results: Study → its results. For each number the first result that has it is used, and added to `used`.
    """

    def __init__(self, results: Mapping[str, Sequence[StudyResult]]) -> None:
        self.results = results
        self.used: dict[str, list[StudyResult]] = {}

    def result(self, study: str, dataset: str, table: Literal["runs", "curves", "probes"] = "runs") -> StudyResult:
        """The first result of a study with five known runs in every cell on this data set, and their curves or probes.

        Raises:
            NotRunError: If no result has them.
        """
        results = self.results.get(study, ())
        for result in results:
            if _covers(result, dataset, table):
                used = self.used.setdefault(study, [])
                if not any(result is other for other in used):
                    used.append(result)
                return result
        raise NotRunError(study, dataset, table if any(_covers(result, dataset, "runs") for result in results) else "")

    def covering(self, study: str, datasets: Collection[str]) -> "Evidence":
        """The results of a study that cover all of these data sets, so that arms on one are repeated as those on another."""
        found = Evidence({study: [result for result in self.results.get(study, ()) if _covers_all(result, datasets)]})
        found.used = self.used
        return found

    def values(self, study: str, cell: Cell, metric: str) -> Sample:
        """A metric of the runs of one cell, as the verdicts of the study count them."""
        result = self.result(study, cell["dataset"])
        places = [place for place, run in enumerate(result.protocol["runs"]) if cell.items() <= run["cell"].items()]
        planned = [result.protocol["runs"][place] for place in places]
        (found,) = outcomes(planned, result.runs.iloc[places], metric)
        return self._require_numbers(study, cell, Sample(metric, found, tuple(map(repeat_of, planned))))

    def runs(self, study: str, cell: Cell) -> pd.DataFrame:
        """The finished runs of an arm."""
        runs = self.result(study, cell["dataset"]).runs
        return runs[matches(runs, cell) & runs["status"].isin(FINISHED)]

    def curve(self, study: str, cell: Cell, column: str, read: Callable[[pd.Series], float]) -> Sample:
        """A number that `read` computes from a column of each run's curve, which is indexed by epoch from 1."""
        curves = self.result(study, cell["dataset"], "curves").curves
        rows = curves[matches(curves, cell) & (curves["epoch"] > 0)].sort_values("epoch", kind="stable")
        found = {str(identity): read(run.set_index("epoch")[column].astype(float)) for identity, run in rows.groupby("id")}
        return self._measure(study, cell, column, found)

    def last_epoch(self, study: str, cell: Cell) -> int:
        """The last epoch of an arm's runs."""
        curves = self.result(study, cell["dataset"], "curves").curves
        return int(curves.loc[matches(curves, cell), "epoch"].max())

    def layers(self, study: str, cell: Cell, name: str, moment: Moment) -> dict[str, Sample]:
        """A probe's measurements in each layer: the first, the last or their mean; for gradients only those of weights.

        Args:
            study: The study.
            cell: The arm.
            name: `<probe>/<name>`, such as `dead_units/dead`.
            moment: `first`, `last` or `mean`.

        Returns:
            Layer → the sample of its measurements, from input to output.
        """
        probes = self.result(study, cell["dataset"], "probes").probes
        probe, _, what = name.partition("/")
        rows = probes[matches(probes, {**cell, "probe": probe, "name": what})]
        if probe == "grad_flow":
            rows = rows[rows["layer"].str.endswith("weight")]
        if moment != "mean":
            rows = rows[rows["epoch"] == getattr(rows["epoch"], {"first": "min", "last": "max"}[moment])()]
        means = rows.groupby(["layer", "id"], sort=False)["value"].mean()
        found = {
            layer: {str(run): float(value) for run, value in means[layer].items()} for layer in dict.fromkeys(rows["layer"])
        }
        if not found:
            raise NotRunError(study, cell["dataset"])
        return {layer: self._measure(study, cell, name, values) for layer, values in found.items()}

    def published(self, study: str, cell: Cell) -> float:
        """The published number of a cell; nan where there is none."""
        cells = self.result(study, cell["dataset"]).cells
        return float(cells.loc[matches(cells, cell), "reference"].mean())

    def _measure(self, study: str, cell: Cell, name: str, found: Mapping[str, float]) -> Sample:
        """What finished runs measured, by their ids. Without a finite measurement a run could have had any: it is missing."""
        planned = [run for run in self.result(study, cell["dataset"]).protocol["runs"] if cell.items() <= run["cell"].items()]
        known = {repeat_of(run): found[run["id"]] for run in planned if math.isfinite(found.get(run["id"], math.nan))}
        return self._require_numbers(study, cell, Sample(name, known, tuple(map(repeat_of, planned))))

    def _require_numbers(self, study: str, cell: Cell, sample: Sample) -> Sample:
        """Refuse a sample of which no run has anything: the runs were not made, or their table lacks these columns."""
        if sample.outcomes:
            return sample
        covering = [result for result in self.results.get(study, ()) if _covers(result, cell["dataset"], "runs")]
        from_tables = bool(covering) and all(result.curves.empty for result in covering)
        raise NotRunError(study, cell["dataset"], "curves" if from_tables else "")


def _covers(result: StudyResult, dataset: str, table: str) -> bool:
    """Whether a result has enough runs for a verdict in every cell on a data set; failed runs count."""
    if not matches(getattr(result, table), {"dataset": dataset}).any():
        return False
    known = result.runs[matches(result.runs, {"dataset": dataset})]
    cells = known["learned"].notna().groupby([known[key] for key in result.keys], dropna=False)
    return bool(cells.sum().ge(MIN_SEEDS).all())


def _covers_all(result: StudyResult, datasets: Collection[str]) -> bool:
    return all(_covers(result, dataset, "runs") for dataset in datasets)


def gather(folders: Sequence[Path], studies: Sequence[str]) -> Evidence:
    """Analyse these studies below each of these folders, where there is a protocol.json.

    A study that was run on several draws of the data by its command (`data_seed=0,1,...`) comes before its own protocol.
    """
    return Evidence({study: [result for folder in folders for result in _analyse_study(folder / study)] for study in studies})


def _analyse_study(folder: Path) -> list[StudyResult]:
    over_draws = [analyse(path.parent) for path in sorted(folder.glob("with-*/protocol.json")) if _changes_draws(path)]
    return over_draws + ([analyse(folder)] if (folder / "protocol.json").exists() else [])


def _changes_draws(protocol: Path) -> bool:
    """Whether the draws of the data are all that a command changed in a study."""
    changes = plain_json.read(protocol, Protocol)["changes"]
    return all(change.startswith("data_seed=") for change in changes)
