"""What the analysis of a study finds, as the report and a notebook receive it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

Judgement = Literal["holds", "fails", "undecided"]
Cause = Literal["interval", "no_cells", "missing", "few", "holm", "wide", "boundary"]


@dataclass(frozen=True)
class Verdict:
    """What the runs say about one prediction. A number that cannot be had is None. Differences are plus - minus.

    Args:
        claim: As the study words it.
        verdict: `holds`, `fails` or `undecided`.
        reason: One sentence, with the interval that decides it or with what is lacking.
        estimate: Mean difference, in the metric's unit (rates in [0, 1]); where `ratio`, the geometric mean of plus / minus.
        low, high: Its 95 % t interval.
        p: Two-sided, against the margin's nearest boundary: below 0.05 if and only if the interval keeps clear of it.
        p_holm: The same after Holm's correction over all predictions of the study; those with fewer than five seeds count in it
            as 1, and have none.
        n: Seeds that have every cell (paired), or runs of the smallest cell (independent).
        planned: Seeds (paired), or runs of all its cells (independent), that the study asks for.
        lost: Those of them without a usable value: never run, failed, or with none for this metric.
        paired: Whether the study is.
        probability: P(plus > minus), ties half: over seeds (paired) or over all cross pairs (independent).
        correlation: Pearson's, between the two sides over seeds (paired): how much the pairing helped.
        needed: Seeds at which the interval would decide, at the present difference and deviation; None if decided, or if no
            number up to 1000 would.
        metric: What is compared.
        expected: `greater`, `less` or `equal`.
        margin: How much is asked for, in the metric's unit; where `ratio`, the ratio asked for, at least 1.
        ratio: Whether the two sides are compared as plus / minus; `low` and `high` are then ratios too, taken on logarithms.
        cause: Why it is so, for a report in another language: `interval` decided it; or no cell matches (`no_cells`), a cell
            has no usable run (`missing`), there are fewer than five seeds (`few`), Holm's correction stands against it
            (`holm`), or the interval is too wide (`wide`), or so for any number of seeds (`boundary`).
    """

    claim: str
    verdict: Judgement
    reason: str
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
    cause: Cause = "interval"


@dataclass(frozen=True)
class StudyResult:
    """A study's runs, aggregated and judged. Values of cell keys that are lists are text (`[256,128]`).

    Args:
        folder: That holds protocol.json.
        protocol: Its content.
        keys: The cell's keys, in the order of the axes.
        runs: A row a run of the protocol: `id, seed, status, folder, reason`, the cell's keys, every column of `load_runs`, and
            derived ones: `diagnosis, advice, diagnosed_epoch, convergence_epoch, stability, trend, best_gap,
            document_convergence, document_volatility`. `status` is `missing` (and `folder` null) where it was never run or its
            folder is damaged (`reason` says which), `interrupted` where it was cut off or is running.
        cells: A row a cell, in the order of the protocol: the keys, `n, diverged, failed, missing, unusable, mean, sd, low,
            high, median, noise, rank, reference, reference_sd, reference_n`. `n` counts finished runs that have the metric,
            diverged ones among them unless it is a cost (costs.py); `failed` counts failed and oom; `missing`
            also the interrupted; `unusable` finished runs whose metric is null. `low, high`: 95 % t interval of the mean.
            `noise`: binomial sd of a rate on the test set, null for what is no rate. `rank`: mean over the seeds that have
            every cell, 1 is best.
        verdicts: One for each prediction, in their order.
        curves: A row an epoch of a run: `id, seed`, the keys, `epoch, step, lr, train/loss` ...; epoch 0 is untrained.
        probes: A row a number of a probe: `id, seed`, the keys, `epoch, probe, layer, name, value`.
        other: Runs of the study's folder outside the protocol: `id, folder, status, differs`.
        codes: The distinct digests of the code that the runs were made with.
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
