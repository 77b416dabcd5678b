"""The result of analysing a study, as the report and a notebook receive it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

Judgement = Literal["holds", "fails", "undecided"]
Cause = Literal["holds", "fails", "no_cells", "no_runs", "no_common_seed", "few", "holm", "wide", "boundary"]


@dataclass(frozen=True)
class Verdict:
    """The judgement of one prediction. A number that cannot be computed is None. Differences are plus - minus.

    Args:
        claim: The prediction in the study's own words.
        cause: What decides the verdict, or leaves it undecided. `holds` and `fails`: the whole interval lies on the predicted
            side, or on the other side. Undecided are `no_cells` (no cell matches the prediction), `no_runs` (a cell has no
            usable run), `no_common_seed` (no seed has a usable run in every cell), `few` (fewer than five seeds), `holm` (the
            interval would decide, but not after Holm's correction), `wide` (the interval includes the boundary) and
            `boundary` (so it would for any number of seeds).
        reason: The cause as one sentence, with the interval that decides it or with what is lacking.
        cells_without_runs: The cells that `no_runs` is about, as text.
        estimate: Mean difference, in the metric's unit (rates in [0, 1]); with `ratio`, the geometric mean of plus / minus.
        low, high: Its 95 % t interval.
        p: Two-sided p-value of the margin's nearest boundary: below 0.05 if and only if the interval excludes it.
        p_holm: The same after Holm's correction over all predictions of the study. Predictions with fewer than five seeds have
            none, and count in the correction as 1.
        n: Number of seeds that have every cell (paired), or of runs in the smallest cell (independent).
        planned: Number of seeds (paired), or of runs of all its cells (independent), that the study asks for.
        lost: How many of those have no usable value: never run, failed, or without a value for this metric.
        paired: Whether the study is paired.
        probability: P(plus > minus), a tie counts half: over seeds (paired) or over all cross pairs (independent).
        correlation: Pearson's correlation of the two sides over seeds (paired): how much the pairing helped.
        needed: Number of seeds at which the interval would decide, at the present difference and deviation; None if decided, or
            if above 1000.
        metric: The metric that is compared.
        expected: `greater`, `less` or `equal`.
        margin: The difference that the prediction requires, in the metric's unit; with `ratio`, the ratio, at least 1.
        ratio: Whether the two sides are compared as plus / minus. `low` and `high` are then ratios too, computed on logarithms.
    """

    claim: str
    cause: Cause
    reason: str = ""
    cells_without_runs: tuple[str, ...] = ()
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    n: int = 0
    planned: int = 0
    lost: int = 0
    paired: bool = True
    probability: float | None = None
    correlation: float | None = None
    needed: int | None = None
    metric: str = "test/acc"
    expected: str = "greater"
    margin: float = 0.0
    ratio: bool = False

    @property
    def verdict(self) -> Judgement:
        """`holds`, `fails` or `undecided`."""
        return self.cause if self.cause in ("holds", "fails") else "undecided"


@dataclass(frozen=True)
class StudyResult:
    """A study's runs, aggregated and judged. Values of cell keys that are lists are text (`[256,128]`).

    Args:
        folder: The folder that holds protocol.json.
        protocol: The content of protocol.json.
        keys: The keys of the cells, in the order of the axes.
        runs: One row per run of the protocol: `id, seed, status, folder, reason`, the cell's keys, every column of `load_runs`,
            and columns computed from the curves: `diagnosis, advice, diagnosed_epoch, convergence_epoch, stability, trend,
            best_gap, document_convergence, document_volatility`. `status` is `missing` (and `folder` null) where the run was
            never started or its folder is damaged (`reason` says which), `interrupted` where it was cut off or is running.
        cells: One row per cell, in the order of the protocol: the keys, `n, diverged, failed, missing, unusable, mean, sd, low,
            high, median, noise, rank, reference, reference_sd, reference_n`. `n` counts finished runs that have the metric,
            including diverged ones (which have test metrics where finite weights were restored) unless it is a cost
            (costs.py); `failed` counts failed and oom; `missing` includes interrupted runs; `unusable` counts finished runs
            whose metric is null. `low, high`: 95 % t interval of the mean. `noise`: binomial sd of a rate on the test set,
            null for other metrics. `rank`: mean over the seeds that have every cell, 1 is best.
        verdicts: One for each prediction, in their order.
        curves: One row per epoch of a run: `id, seed`, the keys, `epoch, step, lr, train/loss` ...; epoch 0 is untrained.
        probes: One row per measurement of a probe: `id, seed`, the keys, `epoch, probe, mode, layer, name, value`.
        other: Runs in the study's folder that the protocol does not list: `id, folder, status, differs`.
        codes: The distinct digests of the code that made the runs.
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
