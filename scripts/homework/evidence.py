"""Read the numbers of one arm of a study from its runs: one number per seed, from results, curves or probes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from dlexp.analysis.judge.analyse import analyse
from dlexp.analysis.judge.cells import FINISHED, matches, select_usable
from dlexp.analysis.judge.result import StudyResult, Verdict

Cell = Mapping[str, Any]
Sample = dict[int, float]  # seed → value; of a study over draws of the data, data_seed → mean over the seeds
Moment = Literal["first", "last", "mean"]

MIN_SEEDS = 2  # that an interval needs


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
        """The first result of a study with two finished runs in every cell on this data set, and their curves or probes.

        Raises:
            NotRunError: If no result has them.
        """
        return self._covering(study, [dataset], table)

    def _covering(self, study: str, datasets: Sequence[str], table: str = "runs") -> StudyResult:
        for result in self.results.get(study, ()):
            if all(_covers(result, dataset, table) for dataset in datasets):
                used = self.used.setdefault(study, [])
                if not any(result is other for other in used):
                    used.append(result)
                return result
        results = self.results.get(study, ())
        missing = (name for name in datasets if not any(_covers(result, name, table) for result in results))
        dataset = next(missing, datasets[0])
        raise NotRunError(study, dataset, table if any(_covers(result, dataset, "runs") for result in results) else "")

    def _unit_of(self, study: str, dataset: str, table: Literal["runs", "curves", "probes"] = "runs") -> str:
        """The column of what a sample has a number for."""
        return "data_seed" if self.result(study, dataset, table).by_draw else "seed"

    def values(self, study: str, cell: Cell, metric: str) -> Sample:
        """A metric of each finished run; the mean at a seed where the cell matches several arms."""
        runs = self.result(study, cell["dataset"]).runs
        usable = select_usable(runs[matches(runs, cell)], metric)
        unit = self._unit_of(study, cell["dataset"])
        means = usable[metric].astype(float).groupby(usable[unit]).mean() if len(usable) else pd.Series(dtype=float)
        return self._require_seeds(study, cell, {int(str(seed)): float(mean) for seed, mean in means.items()})

    def runs(self, study: str, cell: Cell) -> pd.DataFrame:
        """The finished runs of an arm."""
        runs = self.result(study, cell["dataset"]).runs
        return runs[matches(runs, cell) & runs["status"].isin(FINISHED)]

    def curve(self, study: str, cell: Cell, column: str, read: Callable[[pd.Series], float]) -> Sample:
        """A number that `read` computes from a column of each run's curve, which is indexed by epoch from 1."""
        curves = self.result(study, cell["dataset"], "curves").curves
        rows = curves[matches(curves, cell) & (curves["epoch"] > 0)].sort_values("epoch", kind="stable")
        unit = self._unit_of(study, cell["dataset"], "curves")
        by_run = {keys: read(run.set_index("epoch")[column].astype(float)) for keys, run in rows.groupby([unit, "seed"])}
        numbers = pd.Series(by_run, dtype=float)
        means = numbers[np.isfinite(numbers)].groupby(level=0).mean()
        return self._require_seeds(study, cell, {int(str(seed)): float(mean) for seed, mean in means.items()})

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
            Layer → seed → value, from input to output.
        """
        probes = self.result(study, cell["dataset"], "probes").probes
        probe, _, what = name.partition("/")
        rows = probes[matches(probes, {**cell, "probe": probe, "name": what})]
        if probe == "grad_flow":
            rows = rows[rows["layer"].str.endswith("weight")]
        if moment != "mean":
            rows = rows[rows["epoch"] == getattr(rows["epoch"], {"first": "min", "last": "max"}[moment])()]
        means = rows.groupby(["layer", self._unit_of(study, cell["dataset"], "probes")], sort=False)["value"].mean().dropna()
        found = {
            layer: {int(seed): float(value) for seed, value in means[layer].items()} for layer in dict.fromkeys(rows["layer"])
        }
        if not found:
            raise NotRunError(study, cell["dataset"])
        return {layer: self._require_seeds(study, cell, sample) for layer, sample in found.items()}

    def published(self, study: str, cell: Cell) -> float:
        """The published number of a cell; nan where there is none."""
        cells = self.result(study, cell["dataset"]).cells
        return float(cells.loc[matches(cells, cell), "reference"].mean())

    def verdict(self, study: str, datasets: Sequence[str], claim: str) -> Verdict:
        """The study's verdict on the prediction with this claim, which is about these data sets."""
        found = [verdict for verdict in self._covering(study, datasets).verdicts if verdict.claim == claim]
        if not found or not found[0].n:
            raise self._explain_lack(study, datasets[0])
        return found[0]

    def _require_seeds(self, study: str, cell: Cell, sample: Sample) -> Sample:
        if len(sample) < MIN_SEEDS:
            raise self._explain_lack(study, cell["dataset"])
        return sample

    def _explain_lack(self, study: str, dataset: str) -> NotRunError:
        """Why a number is missing that is in the table of runs where the runs have curves: they were not run, or lack these."""
        covering = [result for result in self.results.get(study, ()) if _covers(result, dataset, "runs")]
        from_tables = bool(covering) and all(result.curves.empty for result in covering)
        return NotRunError(study, dataset, "curves" if from_tables else "")


Finding = Callable[[Evidence], str]  # returns one or two sentences of an answer; raises NotRunError without runs


def _covers(result: StudyResult, dataset: str, table: str) -> bool:
    cells = result.cells[matches(result.cells, {"dataset": dataset})]
    has_rows = matches(getattr(result, table), {"dataset": dataset}).any()
    return bool(has_rows and len(cells) and (cells["n"] + cells["unusable"] >= MIN_SEEDS).all())  # diverged runs are finished


def on_each(finding: Callable[..., str], datasets: Sequence[str]) -> list[Finding]:
    """The same finding on each data set."""
    return [partial(finding, dataset=dataset) for dataset in datasets]


def gather(folders: Sequence[Path], studies: Sequence[str]) -> Evidence:
    """Analyse these studies below each of these folders, where there is a protocol.json."""
    return Evidence(
        {
            study: [analyse(folder / study) for folder in folders if (folder / study / "protocol.json").exists()]
            for study in studies
        }
    )
