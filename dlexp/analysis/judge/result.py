"""The result of analysing a study, as the report and a notebook receive it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from dlexp.analysis.judge.ablation import Ablation
from dlexp.analysis.judge.best import Comparison
from dlexp.analysis.judge.factors import Importance, join_tables
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.tuning import Tuning
from dlexp.run.record.registrations import Standing


@dataclass(frozen=True)
class StudyResult:
    """A study's runs, aggregated and judged. Values of cell keys that are lists are text (`[256,128]`).

    Args:
        folder: The folder that holds protocol.json.
        protocol: The content of protocol.json.
        keys: The keys of the cells, in the order of the axes.
        runs: One row per run of the protocol: `id, seed, status, folder, reason`, `data_seed` where the study draws its data
            several times, the cell's keys, every column of `load_runs`, columns computed from the curves: `diagnosis, advice,
            diagnosed_epoch, convergence_epoch, stability, trend, best_gap, document_convergence, document_volatility`, and
            `learned` (learned.py). `status` is `missing` (and `folder` null) where the run was never started or its folder is
            damaged (`reason` says which), `interrupted` where it was cut off or is running.
        cells: One row per cell, in the order of the protocol: the keys, `n, diverged, failed, missing, unusable, mean, sd, low,
            high, draws, median, noise, rank, learned, bimodal, reference, reference_sd, reference_n`. `n` counts finished runs
            that have the metric, also diverged ones if they have it, unless it is a cost (costs.py); `failed` counts failed
            and oom; `missing` includes interrupted runs; `unusable` counts finished runs whose metric is null. `low, high`:
            95 % t interval of the mean over runs. On several `draws` of the data, `mean` is the mean of the draws' means, and
            `low, high` its interval over draws; `sd` and `median` are of runs. `noise`: binomial sd of a rate on the test set,
            null for other metrics. `rank`: mean over the seeds that have every cell, 1 is best. `learned`: how many complete
            runs learned (learned.py); `bimodal`: whether some did and some did not, so that the mean describes neither.
        verdicts: One for each prediction, in their order.
        curves: One row per epoch of a run: `id, seed` (and `data_seed`, as in `runs`), the keys, `epoch, step, lr, train/loss`
            ...; epoch 0 is untrained.
        probes: One row per measurement of a probe: the same columns of the run, `epoch, probe, mode, layer, name, value`.
        other: Runs in the study's folder that the protocol does not list: `id, folder, status, differs`.
        codes: The distinct digests of the code that made the runs.
        factors: How much each factor matters, of each data set or of the whole study; empty with fewer than two factors.
        comparisons: Which cells may be the best, on each data set that has at least two.
        looks: The looks at which the verdicts were judged.
        log: The entries of the log of looks (dlexp/run/record/look_log.py), before those of this report.
        from_tables: Whether there are no run folders, and all was read from runs.csv and tables/.
        registration: Whether the study was registered before its first run, and whether it has changed since.
        tuning: The searches of a study that tunes its cells. Their runs are not in `runs`.
        ablation: What each switch is worth, of a study with a recipe.
    """

    folder: Path
    protocol: dict[str, Any]
    keys: list[str]
    runs: pd.DataFrame
    cells: pd.DataFrame
    verdicts: list[Verdict]
    curves: pd.DataFrame
    probes: pd.DataFrame
    other: pd.DataFrame
    codes: list[str]
    factors: list[Importance] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    from_tables: bool = False
    registration: Standing = Standing()
    looks: list[Look] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    tuning: Tuning | None = None
    ablation: Ablation | None = None

    @property
    def best(self) -> pd.DataFrame:
        """The tables of `comparisons` as one, with the cell's keys in place of `cell`; null where it does not have a key."""
        tables = [each.table for each in self.comparisons if len(each.table)]
        if not tables:
            return pd.DataFrame(columns=[*self.keys, "status"])
        table = pd.concat(tables, ignore_index=True)
        cells = {key: pd.Series([cell.get(key) for cell in table["cell"]], dtype=object) for key in self.keys}
        return pd.DataFrame(cells).join(table.drop(columns="cell"))

    @property
    def by_draw(self) -> bool:
        """Whether the study draws its data several times."""
        return bool(self.protocol["study"].get("data_seeds"))

    @property
    def importance(self) -> pd.DataFrame:
        """The tables of `factors` as one: `dataset` (where each has its own), `term` as text, `df, share, low, high, noise`."""
        return join_tables(self.factors)
