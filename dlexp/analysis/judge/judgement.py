"""The judgement of one prediction, or of any other comparison of two sides, with the numbers that decide it."""

from dataclasses import dataclass
from typing import Literal

from dlexp.analysis.judge.draws import Spread
from dlexp.analysis.judge.heterogeneity import Average
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.statistics import ALPHA, Rate

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
