"""Times until a target that not all runs reached."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dlexp.analysis.judge.learned import outcomes
from dlexp.analysis.judge.times import Censored, compare_times, score_log_rank
from dlexp.analysis.judge.verdict import judge
from tests.analysis.simulate import allow

# Weeks in remission of Freireich et al. 1963, with 6-MP and with placebo; the example of many textbooks and of lifelines.
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
STILL_WELL = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
LAST = 100


def study_of(plus, minus, *, expected="greater", pairing="independent", seeds=None, **prediction):
    cells = [{"arm": "a"}, {"arm": "b"}]
    claim = {"claim": "?", "plus": cells[0], "minus": cells[1], "expected": expected, "metric": "convergence_epoch"}
    arms = [arm if isinstance(arm, dict) else dict(enumerate(arm)) for arm in (plus, minus)]
    seeds = list(range(max(map(len, arms)))) if seeds is None else list(seeds)
    study = {"predictions": [claim | prediction], "seeds": seeds, "pairing": pairing}
    return judge(study, cells, lambda metric: arms)[0]


def until(values):
    """Times, and `LAST` for those that are later."""
    return [float(value) if value < LAST else Censored(LAST) for value in values]


def test_the_scores_sum_to_observed_minus_expected():
    """R's survdiff finds 9 relapses where 19.25 were expected, and 21 where 10.75 were; χ² = 16.79."""
    times = np.array([*TREATED, *STILL_WELL, *PLACEBO], float)
    reached = np.array([True] * 9 + [False] * 12 + [True] * 21)
    scores = score_log_rank(times, reached)
    assert scores[:21].sum() == pytest.approx(9 - 19.25, abs=0.01)
    assert scores.sum() == pytest.approx(0, abs=1e-9)
    treated = stats.CensoredData(uncensored=TREATED, right=STILL_WELL)
    found = stats.logrank(treated, stats.CensoredData(PLACEBO))
    assert found.statistic**2 == pytest.approx(16.79, abs=0.01)
    assert found.statistic * math.sqrt(6.2570) == pytest.approx(scores[:21].sum(), abs=0.01)  # R's variance


def test_scores_by_hand():
    """At 1 one of four reaches it, at 2 one of three, and two are censored at 3."""
    scores = score_log_rank(np.array([1.0, 2, 3, 3]), np.array([True, True, False, False]))
    assert scores == pytest.approx([1 - 1 / 4, 1 - 1 / 4 - 1 / 3, -1 / 4 - 1 / 3, -1 / 4 - 1 / 3])


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_the_exact_test_agrees_with_scipys_where_groups_are_large(pairing):
    random = np.random.default_rng(1)
    plus, minus = (until(random.exponential(scale, 60)) for scale in (130, 70))
    data = [stats.CensoredData.right_censored(arm, [isinstance(time, Censored) for time in arm]) for arm in (plus, minus)]
    expected = stats.logrank(*data)
    found = study_of(plus, minus, pairing=pairing)
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)
    assert (found.verdict, found.sign, expected.statistic < 0) == ("holds", 1, True)


def test_the_number_shown_is_the_restricted_mean():
    """It is the area under the Kaplan-Meier curve up to the horizon, and its interval is of observed numbers."""
    random = np.random.default_rng(2)
    plus, minus = (until(random.exponential(100, 12)) for _ in range(2))
    found = study_of(plus, minus)

    def area(arm):
        curve = stats.ecdf(stats.CensoredData.right_censored(arm, [isinstance(time, Censored) for time in arm])).sf
        times = [0.0, *[time for time in curve.quantiles if time < LAST], LAST]
        return float(np.diff(times) @ [1.0, *curve.evaluate(times[1:-1])])

    assert found.horizon == LAST
    assert found.estimate == pytest.approx(area(plus) - area(minus))
    welch = stats.ttest_ind(list(map(float, plus)), list(map(float, minus)), equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))


def test_runs_that_never_reach_the_target_are_the_slow_side():
    """The survivors of the first arm are faster, and only half of it survives."""
    plus, minus = [1.0, 2, 1, 2, 1, *until([LAST] * 5)], [3.0, 4, 5, 3, 4, 5, 4, 3, 5, 4]
    found = study_of(plus, minus, expected="less")
    assert found.verdict != "holds"
    assert [(rate.learned, rate.runs) for rate in found.rates] == [(5, 10), (10, 10)]
    assert (found.failed, found.missing, found.estimate > 0) == (0, 0, True)
    assert "the target was reached by 5 of 10 runs on the first side and by 10 of 10 runs on the second" in found.reason


def test_a_verdict_on_times_and_its_sentence():
    found = study_of(until([LAST] * 6), [3.0, 4, 5, 3, 4, 5])
    assert found.verdict == "holds"
    assert found.p == pytest.approx(2 / math.comb(12, 6))
    assert found.reason == (
        "The first side takes longer (n = 6; exact permutation log-rank test, p = 0.00216; the target was reached by 0 of 6 "
        "runs on the first side and by 6 of 6 runs on the second)."
    )
    paired = study_of(until([LAST] * 5), [3.0, 4, 5, 3, 4], pairing="paired")
    assert (paired.verdict, paired.p) == ("undecided", 0.0625)
    assert "with so few runs it cannot be below 0.0625" in paired.reason


@pytest.mark.parametrize(("more", "why"), [({"margin": 3}, "a margin"), ({"ratio": 2}, "a ratio")])
def test_a_margin_cannot_be_decided(more, why):
    found = study_of(until([LAST] * 6), [3.0, 4, 5, 3, 4, 5], **more)
    assert (found.cause, found.p) == ("unranked", None)
    assert f"and {why} cannot be decided by the log-rank test" in found.reason


def test_a_ratio_of_one_is_decided_and_its_horizon_is_in_epochs():
    found = study_of(until([LAST] * 6), [10.0] * 6, ratio=1)
    assert (found.verdict, found.horizon) == ("holds", pytest.approx(LAST))
    assert found.estimate == pytest.approx(LAST / 10)


def test_what_happens_after_the_shortest_unfinished_run_decides_nothing():
    """Arms of ten and of a hundred epochs are compared within ten."""
    short, long = [Censored(10)] * 6, [50.0, 60, 70, 80, 90, 99]
    found = study_of(short, long)
    assert (found.horizon, found.p, found.estimate) == (10, 1.0, 0.0)


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_missing_runs_may_have_reached_it_at_once_or_never(pairing):
    plus = dict(enumerate(until([50, 60, *[LAST] * 6])))
    minus = {seed: 3.0 + seed for seed in range(8)}
    assert study_of(plus, minus, pairing=pairing).verdict == "holds"
    some = {seed: time for seed, time in minus.items() if seed > 2}
    found = study_of(plus, some, pairing=pairing, seeds=range(8))
    assert (found.verdict, found.cause, found.missing) == ("undecided", "bounds", 3)
    one = {seed: time for seed, time in minus.items() if seed > 0}
    assert study_of(plus, one, pairing="independent", seeds=range(8)).verdict == "holds"


def table(**columns):
    known = {"status": ["done"] * 5, "learned": [True] * 5, "diagnosis": ["converged"] * 5, "num_epochs": [30.0] * 5}
    return pd.DataFrame(known | {"train/seconds": [60.0, 61, 62, 63, 64]} | columns)


@pytest.mark.parametrize(
    ("metric", "columns", "found"),
    [
        ("convergence_epoch", {"convergence_epoch": [3, None, 4, 5, 6]}, [3, Censored(30), 4, 5, 6]),
        (
            "convergence_epoch",  # of its own best, which was not worth reaching
            {"convergence_epoch": [3.0, 1, 4, 5, 6], "learned": [True, False, True, True, None]},
            [3, Censored(30), 4, 5, None],
        ),
        (
            "target/epoch",  # one diverged in epoch 2, one was stopped in epoch 9: neither would have reached it later
            {
                "target/epoch": [3, None, None, None, 6],
                "status": ["done", "diverged", "early_stopped", "failed", "done"],
                "learned": [True, False, True, False, True],
                "num_epochs": [30, 2, 9, None, 30],
            },
            [3, Censored(30), Censored(30), Censored(30), 6],
        ),
        ("target/seconds", {"target/seconds": [5, None, 6, 7, 8]}, [5, Censored(61), 6, 7, 8]),
        ("convergence_epoch", {"diagnosis": [None] * 5}, [None] * 5),  # the curves are not known
        ("target/seconds", {"train/seconds": [None] * 5}, [None] * 5),  # it is not known how long the runs lasted
    ],
)
def test_the_times_of_a_cell(metric, columns, found):
    planned = [{"cell": {"depth": 1}, "seed": seed} for seed in range(5)]
    (times,) = outcomes(planned, table(**columns), metric)
    assert times == {seed: time for seed, time in enumerate(found) if time is not None}
    assert {seed: type(time) for seed, time in times.items()} == {
        seed: Censored if isinstance(time, Censored) else float for seed, time in enumerate(found) if time is not None
    }


def draw_arms(random, n, *, paired, slower, reached):
    """Two arms whose times are exponential, one `slower` times as slow; so many reach the target."""
    shared = random.normal(0, 0.5, n) if paired else np.zeros(n)
    scale = LAST / -math.log(1 - reached)
    return [until(np.ceil(scale * factor * np.exp(shared) * random.exponential(1, n))) for factor in (slower, 1.0)]


@pytest.mark.parametrize(("paired", "n"), [(True, 10), (False, 5), (False, 10)])
@pytest.mark.parametrize("reached", [0.3, 0.8])
def test_few_verdicts_on_arms_that_are_alike_are_wrong(request, paired, n, reached):
    """By `compare_times` alone, because a family is Holm's; with --slow more studies."""
    studies, random = 2000 if request.config.getoption("--slow") else 150, np.random.default_rng(n)
    wrong = 0
    for _ in range(studies):
        plus, minus = (dict(enumerate(arm)) for arm in draw_arms(random, n, paired=paired, slower=1, reached=reached))
        if any(isinstance(time, Censored) for arm in (plus, minus) for time in arm.values()):
            wrong += compare_times([plus], [minus], range(n), in_blocks=paired).p < 0.05
    assert wrong / studies <= allow(studies)


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_a_slower_arm_is_found_slower(pairing):
    random = np.random.default_rng(3)
    verdicts = [
        study_of(*draw_arms(random, 12, paired=pairing == "paired", slower=6, reached=0.9), pairing=pairing).verdict
        for _ in range(40)
    ]
    assert verdicts.count("holds") > 25
    assert "fails" not in verdicts
