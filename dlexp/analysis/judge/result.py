"""The result of analysing a study, as the report and a notebook receive it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dlexp.analysis.judge.best import Comparison
from dlexp.analysis.judge.draws import Spread
from dlexp.analysis.judge.factors import Importance, join_tables
from dlexp.analysis.judge.heterogeneity import Average
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.statistics import ALPHA, Rate
from dlexp.analysis.judge.tuning import Tuning
from dlexp.run.record.registrations import Standing

Judgement = Literal["holds", "fails", "undecided"]
Need = Literal["power", "enough", "many", "undeclared", "least"]  # explained in Verdict
Cause = Literal[  # explained in Verdict
    "holds",
    "fails",
    "undecided",
    "no_cells",
    "no_runs",
    "no_common_seed",
    "few",
    "holm",
    "wide",
    "agree",
    "exact",
    "ranks",
    "bounds",
    "unranked",
]


@dataclass(frozen=True)
class Verdict:
    """The judgement of one prediction. A number that cannot be computed is None. Differences are plus - minus.

    Args:
        claim: The prediction in the study's own words.
        cause: What decides the verdict, or leaves it undecided. `holds` and `fails`: the whole interval lies on the predicted
            side, or on the other side; with `by_ranks`, that side ranks higher. Undecided are `no_cells` (no cell matches the
            prediction), `no_runs` (a cell has no usable run), `no_common_seed` (no seed has a usable run in every cell), `few`
            (fewer than five seeds), `holm` (the interval would decide, but not after Holm's correction), `wide` (the interval
            includes the boundary), `agree` (all differences are equal, and the exact test does not decide), `exact` (the t test
            decides, but not the exact test, which could), `ranks` (runs failed to learn, and the test of ranks does not
            decide), `bounds` (runs are missing, and the best and the worst case for them do not agree) and `unranked` (runs
            failed or are missing, and ranks cannot answer the prediction). `undecided` is the cause until another is found.
        reason: The cause as one sentence, with the numbers that decide it or with what is lacking.
        cells_without_runs: The cells that `no_runs` is about, as text.
        estimate: Mean difference, in the metric's unit (rates in [0, 1]); with `ratio`, the geometric mean of plus / minus.
            Only of runs that learned.
        low, high: Its t interval.
        level: The level of that interval: 0.95, or 0.90 where equivalence is tested by two one-sided tests at 5 %. At a look it
            is 1 - `alpha`, or 1 - 2 `alpha`: a repeated interval, which covers at 95 % (90 %) over all looks.
        alpha: What a corrected p-value must be below: 0.05, or the level of the look.
        last_alpha: The same of the last look that is planned, at which `needed` seeds have their power.
        look: The look at which it was judged: the first that decided it, or else the last; None if none was reached yet.
        p: p-value of the test that decides: of the margin's nearest boundary by t, below `alpha` if and only if the interval
            excludes it; or of the ranks.
        p_holm: The same after Holm's correction over all predictions of the study. Predictions with fewer than five seeds have
            none, and count in the correction as 1.
        p_exact: p-value of the exact sign-flip (paired) or permutation test (independent) of the same boundary, beside t.
        p_exact_holm: The same after Holm's correction.
        least_p: The least p-value that the exact test can have with so many runs.
        family: Number of predictions in the study.
        if_normal: Whether the verdict rests on a normal distribution, because the exact test cannot decide with so few runs.
        by_ranks: Whether the ranks decide, because a run failed to learn or is missing.
        sign: Where ranks decide: 1 where plus ranks higher, -1 where minus does.
        agrees: Whether the best and the worst case for missing runs have the same direction.
        n: Number of seeds that have every cell (paired), of runs in the smallest cell (independent), or of draws of the data
            (`by_draw`); failed ones included.
        n_learned: The same, of runs that learned.
        planned: Number of runs of all its cells that the study asks for.
        failed: How many of those failed to learn.
        missing: How many of those were never run, were interrupted, ran out of memory or lack a value for this metric.
        all_learned: Whether all runs learned, and the metric is about what they learned: the verdict is then about such runs.
        rates: Where a run failed, how many runs of plus and of minus learned.
        p_rates: p-value of equal rates, by McNemar's exact test (paired) or Barnard's (independent); it decides nothing.
        paired: Whether the study is paired.
        probability: P(plus > minus) over seeds (paired) or over all cross pairs (independent); a failed run is the worst, and
            differences up to the noise that the size of the test set brings count half.
        correlation: Pearson's correlation of the two sides over seeds (paired): how much the pairing helped.
        effect: The smallest difference of interest, as a size in the metric's unit (with `ratio`, a factor of at least 1); None
            where the study declares none. Of `equal` the difference at which equality shall still be shown, by default none.
        need: What an undecided verdict says of the number of seeds: `power` (`needed` seeds have 80 % power at `effect`),
            `enough` (so have those that are there), `many` (more than 1000 would), `undeclared` (there is no `effect`), or
            `least` (`needed` is the least with which the tests can decide; nothing more is known). None where no number
            follows: if decided, if ranks decide, or if no cell matches.
        needed: The number of seeds for `power` and `least`, at Holm's level if no other prediction is decided yet, and at the
            upper 80 % confidence limit of the deviation, so that it suffices in four of five studies (power.py).
        metric: The metric that is compared.
        expected: `greater`, `less` or `equal`.
        margin: The difference that the prediction requires, in the metric's unit; with `ratio`, the ratio, at least 1.
        ratio: Whether the two sides are compared as plus / minus. `low` and `high` are then ratios too, computed on logarithms.
        horizon: Where runs did not reach the target that the metric is the time until (times.py): how long every run was
            observed, in the metric's unit. `by_ranks` is then true, `estimate` is the difference of the means of
            min(time, horizon), of all runs, `sign` is 1 where plus takes longer, and `rates` count the runs that reached the
            target.
        by_draw: Whether the study draws its data several times. The unit is then the draw: `n` counts draws, the difference of
            a draw is the mean over its seeds, and signs are flipped of whole draws.
        draws: The number of draws of the data that the compared runs are on; None where nothing is drawn.
        spread: With `by_draw`, the deviation of the difference between draws, and between seeds on one draw; with `ratio`, as
            factors.
        averages: The axes that the difference is an average over, each with the difference at its levels.
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
    p_exact: float | None = None
    p_exact_holm: float | None = None
    least_p: float = 1.0
    family: int = 1
    if_normal: bool = False
    by_ranks: bool = False
    sign: int = 0
    agrees: bool = True
    level: float = 0.95
    alpha: float = ALPHA
    last_alpha: float = ALPHA
    look: Look | None = None
    n: int = 0
    n_learned: int = 0
    planned: int = 0
    failed: int = 0
    missing: int = 0
    all_learned: bool = False
    rates: tuple[Rate, Rate] | None = None
    p_rates: float | None = None
    paired: bool = True
    probability: float | None = None
    correlation: float | None = None
    effect: float | None = None
    need: Need | None = None
    needed: int | None = None
    metric: str = "test/acc"
    expected: str = "greater"
    margin: float = 0.0
    ratio: bool = False
    horizon: float | None = None
    by_draw: bool = False
    draws: int | None = None
    spread: Spread | None = None
    averages: tuple[Average, ...] = ()

    @property
    def verdict(self) -> Judgement:
        """`holds`, `fails` or `undecided`."""
        return self.cause if self.cause == "holds" or self.cause == "fails" else "undecided"

    @property
    def flips_signs(self) -> bool:
        """Whether the exact test flips the signs of differences, of seeds or of draws of the data; else it permutes runs."""
        return self.paired or self.by_draw

    @property
    def unit(self) -> str:
        """What `n` and `needed` count."""
        return "draw" if self.by_draw else "seed"

    @property
    def exact_can_decide(self) -> bool:
        """Whether an exact p-value of so many runs can be below `alpha` after Holm's correction."""
        return self.least_p * self.family < self.alpha


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
