"""What the runs at hand say about one arm of a study: a number a seed, from results, curves or probes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from dlexp.analysis.judge.analyse import analyse
from dlexp.analysis.judge.cells import FINISHED, matches, usable
from dlexp.analysis.judge.result import StudyResult, Verdict

Cell = Mapping[str, Any]
Sample = dict[int, float]  # seed → value
Moment = Literal["first", "last", "mean"]

FEWEST = 2  # seeds that an interval takes


class NotRunError(LookupError):
    """Runs that a sentence needs are not there; `command` makes them."""

    def __init__(self, study: str, dataset: str) -> None:
        super().__init__(f"{study} on {dataset} has not been run")
        self.command = f"python train.py study={study} dataset={dataset}"


class Evidence:
    """The results of the studies, and what they say seed by seed.

    Args:
        results: Study → its results, the first that has what is asked for being the one that is believed. Those that were are
            kept in `used`.
    """

    def __init__(self, results: Mapping[str, Sequence[StudyResult]]) -> None:
        self.results = results
        self.used: dict[str, list[StudyResult]] = {}

    def result(self, study: str, dataset: str, part: Literal["runs", "curves", "probes"] = "runs") -> StudyResult:
        """The first result of a study whose every cell on this data set has two finished runs; with curves or probes of them.

        Raises:
            NotRunError: If there is none.
        """
        return self._covering(study, [dataset], part)

    def _covering(self, study: str, datasets: Sequence[str], part: str = "runs") -> StudyResult:
        for result in self.results.get(study, ()):
            if all(_covers(result, dataset, part) for dataset in datasets):
                used = self.used.setdefault(study, [])
                if not any(result is one for one in used):
                    used.append(result)
                return result
        missing = (one for one in datasets if not any(_covers(result, one, part) for result in self.results.get(study, ())))
        raise NotRunError(study, next(missing, datasets[0]))

    def values(self, study: str, cell: Cell, metric: str) -> Sample:
        """A metric of each finished run; of those arms that the cell leaves open, the mean."""
        runs = self.result(study, cell["dataset"]).runs
        good = usable(runs[matches(runs, cell)], metric)
        return self._enough(study, cell, {seed: float(some.mean()) for seed, some in _by_seed(good, metric)})

    def runs(self, study: str, cell: Cell) -> pd.DataFrame:
        """The finished runs of an arm."""
        runs = self.result(study, cell["dataset"]).runs
        return runs[matches(runs, cell) & runs["status"].isin(FINISHED)]

    def curve(self, study: str, cell: Cell, column: str, read: Callable[[pd.Series], float]) -> Sample:
        """What `read` makes of a column of each run's epochs, from the first (indexed by epoch, without the untrained row)."""
        curves = self.result(study, cell["dataset"], "curves").curves
        mine = curves[matches(curves, cell) & (curves["epoch"] > 0)].sort_values("epoch", kind="stable")
        found = {seed: read(some.set_index("epoch")[column].astype(float)) for seed, some in mine.groupby("seed")}
        return self._enough(study, cell, {int(str(seed)): value for seed, value in found.items() if np.isfinite(value)})

    def last_epoch(self, study: str, cell: Cell) -> int:
        """The last epoch of an arm's runs."""
        curves = self.result(study, cell["dataset"], "curves").curves
        return int(curves.loc[matches(curves, cell), "epoch"].max())

    def layers(self, study: str, cell: Cell, name: str, moment: Moment) -> dict[str, Sample]:
        """What a probe measured in each layer at the first or last measurement, or on average; of gradients the weights' alone.

        Args:
            study: Whose runs.
            cell: Their arm.
            name: `<probe>/<name>`, such as `dead_units/dead`.
            moment: Of the training.

        Returns:
            Layer → seed → value, from input to output.
        """
        probes = self.result(study, cell["dataset"], "probes").probes
        probe, _, what = name.partition("/")
        mine = probes[matches(probes, {**cell, "probe": probe, "name": what})]
        if probe == "grad_flow":
            mine = mine[mine["layer"].str.endswith("weight")]
        if moment != "mean":
            mine = mine[mine["epoch"] == getattr(mine["epoch"], {"first": "min", "last": "max"}[moment])()]
        table = mine.groupby(["layer", "seed"], sort=False)["value"].mean().dropna()
        found = {
            layer: {int(seed): float(value) for seed, value in table[layer].items()} for layer in dict.fromkeys(mine["layer"])
        }
        if not found:
            raise NotRunError(study, cell["dataset"])
        return {layer: self._enough(study, cell, sample) for layer, sample in found.items()}

    def published(self, study: str, cell: Cell) -> float:
        """The published number of a cell; nan where there is none."""
        cells = self.result(study, cell["dataset"]).cells
        return float(cells.loc[matches(cells, cell), "reference"].mean())

    def verdict(self, study: str, datasets: Sequence[str], claim: str) -> Verdict:
        """The study's verdict on a prediction about these data sets, by its words."""
        found = [verdict for verdict in self._covering(study, datasets).verdicts if verdict.claim == claim]
        if not found or not found[0].n:
            raise NotRunError(study, datasets[0])
        return found[0]

    def _enough(self, study: str, cell: Cell, sample: Sample) -> Sample:
        if len(sample) < FEWEST:
            raise NotRunError(study, cell["dataset"])
        return sample


Finding = Callable[[Evidence], str]  # one or two sentences of an answer; NotRunError where it has no runs


def _covers(result: StudyResult, dataset: str, part: str) -> bool:
    mine = result.cells[matches(result.cells, {"dataset": dataset})]
    there = matches(getattr(result, part), {"dataset": dataset}).any()
    return bool(there and len(mine) and (mine["n"] >= FEWEST).all())


def _by_seed(runs: pd.DataFrame, metric: str) -> list[tuple[int, pd.Series]]:
    return [(int(str(seed)), some[metric].astype(float)) for seed, some in runs.groupby("seed")]


def each(finding: Callable[[Evidence, str], str], datasets: Sequence[str]) -> list[Finding]:
    """The same sentence on each data set."""

    def on(dataset: str) -> Finding:
        return lambda evidence: finding(evidence, dataset)

    return [on(dataset) for dataset in datasets]


def gather(folders: Sequence[Path], studies: Sequence[str]) -> Evidence:
    """The results of these studies below each of these folders, where one has a protocol.json."""
    return Evidence(
        {
            study: [analyse(folder / study) for folder in folders if (folder / study / "protocol.json").exists()]
            for study in studies
        }
    )
