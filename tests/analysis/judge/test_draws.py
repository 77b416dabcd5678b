import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dlexp.analysis.judge.draws import measure_spread
from dlexp.analysis.judge.failures import compare_rates, measure_rate, rank_sides
from dlexp.analysis.judge.parts import add_averages
from dlexp.analysis.judge.verdict import judge
from tests.analysis.simulate import allow

DRAWS, SEEDS = range(8), (0, 1, 2)
CELLS = [{"arm": "a"}, {"arm": "b"}]
BETTER = {"claim": "a is better", "plus": {"arm": "a"}, "minus": {"arm": "b"}, "expected": "greater"}
REPEATS = [(draw, seed) for draw in DRAWS for seed in SEEDS]


def draw_values(random, repeats, *, between=1.0, within=1.0, effect=0.0):
    """Two arms; the difference varies with the draw of the data, and from seed to seed; each draw has its own level."""
    shifts = {draw: (random.normal(0, 3), random.normal(effect, between)) for draw in {draw for draw, _ in repeats}}
    noise = within / math.sqrt(2)
    plus = {(draw, seed): sum(shifts[draw]) + random.normal(0, noise) for draw, seed in repeats}
    return plus, {(draw, seed): shifts[draw][0] + random.normal(0, noise) for draw, seed in repeats}


def judge_arms(plus, minus, *, draws=DRAWS, seeds=SEEDS, pairing="paired", **prediction):
    study = {"predictions": [{**BETTER, **prediction}], "pairing": pairing, "metric": "val/acc"}
    study |= {"seeds": list(seeds), "data_seeds": list(draws)}
    return judge(study, CELLS, lambda metric: [plus, minus])[0]


def fit_mixed_model(differences):
    """The interval of statsmodels' MixedLM with a random effect of the draw."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    frame = pd.DataFrame([(draw, value) for (draw, _), value in differences.items()], columns=["draw", "value"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the variance between draws is often estimated as 0
        return tuple(MixedLM.from_formula("value ~ 1", frame, groups="draw").fit(reml=True).conf_int().loc["Intercept"])


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_the_interval_is_one_over_the_means_of_draws(pairing):
    plus, minus = draw_values(np.random.default_rng(1), REPEATS, effect=3)
    found = judge_arms(plus, minus, pairing=pairing)
    means = [np.mean([plus[draw, seed] - minus[draw, seed] for seed in SEEDS]) for draw in DRAWS]
    expected = stats.ttest_1samp(means, 0)
    interval = expected.confidence_interval()
    assert (found.n, found.verdict, found.by_draw, found.planned, found.missing) == (8, "holds", True, 48, 0)
    assert (found.estimate, found.low, found.high, found.p) == pytest.approx((np.mean(means), *interval, expected.pvalue))
    assert found.p_exact == pytest.approx(stats.permutation_test((means,), np.mean, permutation_type="samples").pvalue)
    assert (found.least_p, found.probability) == (2 / 2**8, np.mean(np.array(means) > 0))


def test_the_deviation_is_split_into_draws_and_seeds():
    plus, minus = draw_values(np.random.default_rng(2), REPEATS)
    differences = np.array([[plus[draw, seed] - minus[draw, seed] for seed in SEEDS] for draw in DRAWS])
    within = differences.var(1, ddof=1).mean()
    paired = measure_spread([plus], [minus], paired=True)
    assert paired.within == pytest.approx(math.sqrt(within))
    assert paired.between == pytest.approx(math.sqrt(differences.mean(1).var(ddof=1) - within / 3))
    single = {key: value for key, value in plus.items() if key[1] == 0}
    assert math.isnan(measure_spread([single], [single], paired=True).within)
    assert measure_spread([{(0, 0): 1.0}], [{(0, 0): 2.0}], paired=True) is None


@pytest.mark.parametrize("paired", [True, False])
def test_the_parts_of_the_deviation_are_those_that_were_drawn(paired):
    """The variances, on average; draws have unequal numbers of seeds."""
    random, repeats = np.random.default_rng(3), [(draw, seed) for draw in range(15) for seed in range(2 + draw % 3)]
    found = [measure_spread(*([arm] for arm in draw_values(random, repeats)), paired=paired) for _ in range(100)]
    assert np.mean([spread.between**2 for spread in found]) == pytest.approx(1, rel=0.15)
    assert np.mean([spread.within**2 for spread in found]) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_draws_with_more_seeds_have_the_same_weight(pairing):
    plus, minus = draw_values(np.random.default_rng(4), [*REPEATS, (0, 7), (0, 8)])
    found = judge_arms(plus, minus, pairing=pairing)
    seeds = {draw: (*SEEDS, 7, 8) if draw == 0 else SEEDS for draw in DRAWS}
    means = [np.mean([plus[draw, seed] - minus[draw, seed] for seed in seeds[draw]]) for draw in DRAWS]
    assert (found.n, found.missing, found.estimate) == (8, 0, pytest.approx(np.mean(means)))


def test_five_draws_are_needed_whatever_the_number_of_seeds():
    plus, minus = draw_values(np.random.default_rng(5), [(draw, seed) for draw in range(4) for seed in range(9)], effect=9)
    found = judge_arms(plus, minus, draws=range(4), seeds=range(9))
    assert (found.n, found.cause, found.verdict) == (4, "few", "undecided")


def test_failed_runs_are_compared_by_flipping_whole_draws():
    plus, minus = draw_values(np.random.default_rng(6), REPEATS, effect=-9, between=0.1)
    found = judge_arms(plus, minus | {(0, 0): None})
    ranks = stats.rankdata([*plus.values(), *(minus | {(0, 0): -math.inf}).values()]).reshape(2, 8, 3)
    differences = (ranks[0] - ranks[1]).mean(1)
    assert (found.cause, found.by_ranks, found.failed, found.n) == ("fails", True, 1, 8)
    assert found.p == stats.permutation_test((differences,), np.mean, permutation_type="samples").pvalue
    assert found.n_learned == 8  # the other seeds of the draw learned
    seeds_alone = rank_sides([{0: 1.0, 1: None}], [{0: 2.0, 1: 3.0}], [0, 1], in_blocks=True, rising=True)
    assert seeds_alone == rank_sides([{(0, 5): 1.0, (1, 5): None}], [{(0, 5): 2.0, (1, 5): 3.0}], [(0, 5), (1, 5)],
                                     in_blocks=True, rising=True)  # fmt: skip


def test_failures_on_one_draw_are_one_failure():
    """Twelve runs fail on two of eight draws: these are two blocks, so no test of whole draws can decide."""
    good = dict.fromkeys(REPEATS, 0.9)
    failing = good | {(draw, seed): None for draw in (0, 1) for seed in SEEDS}
    assert judge_arms(failing, good).p == 0.5
    assert compare_rates([failing], [good], in_blocks=True) == 0.5
    rate = measure_rate([failing], by_draw=True)
    assert (rate.learned, rate.runs, rate.low) == (6, 8, pytest.approx(stats.binomtest(6, 8).proportion_ci().low))


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_a_missing_run_is_bounded(pairing):
    plus, minus = draw_values(np.random.default_rng(7), REPEATS, effect=9, between=0.1)
    without = {key: value for key, value in plus.items() if key != (0, 0)}
    found = judge_arms(without, minus, pairing=pairing)
    assert (found.missing, found.cause, found.n) == (1, "holds", 8)
    lost_draw = {key: value for key, value in plus.items() if key[0] > 2}
    assert judge_arms(lost_draw, minus, pairing=pairing).cause == "bounds"


def test_an_average_over_an_axis_is_tested_over_draws():
    random = np.random.default_rng(8)
    cells = [{"arm": arm, "depth": depth} for depth in (1, 2) for arm in "ab"]
    drawn = [draw_values(random, REPEATS, effect=effect) for effect in (0, 4)]
    values = [cell for pair in drawn for cell in pair]
    study = {"predictions": [BETTER], "seeds": list(SEEDS), "data_seeds": list(DRAWS), "metric": "val/acc"}
    ((average,),) = (
        each.averages for each in add_averages(judge(study, cells, lambda _: values), study, cells, lambda _: values)
    )
    means = np.array([[np.mean([a[draw, s] - b[draw, s] for s in SEEDS]) for draw in DRAWS] for a, b in drawn])
    assert [part.estimate for part in average.parts] == pytest.approx(means.mean(1))
    assert average.p == pytest.approx(stats.ttest_rel(*means).pvalue)


def count_covered(studies, between, repeats, pairing, *, draws):
    """How many intervals include the true difference, 0: of the verdict, and of a t test that takes runs for independent."""
    random, covered, of_runs = np.random.default_rng(9), 0, 0
    for _ in range(studies):
        plus, minus = draw_values(random, repeats, between=between)
        found = judge_arms(plus, minus, draws=range(draws), seeds=[0], pairing=pairing)
        covered += found.low <= 0 <= found.high
        naive = stats.ttest_1samp([plus[key] - minus[key] for key in repeats], 0).confidence_interval()
        of_runs += naive.low <= 0 <= naive.high
    return covered / studies, of_runs / studies


def test_intervals_cover_where_draws_differ():
    repeats = [(draw, seed) for draw in range(6) for seed in range(4)]
    covered, of_runs = count_covered(100, 2.0, repeats, "paired", draws=6)
    assert covered >= 1 - allow(100)
    assert of_runs < 0.8


@pytest.mark.slow(seconds=30)
@pytest.mark.parametrize("pairing", ["paired", "independent"])
@pytest.mark.parametrize("between", [0.0, 1.0])
@pytest.mark.parametrize("sizes", [(3,) * 5, (3,) * 16, (1, 2, 3, 4, 5), (1, 1, 1, 1, 5, 5, 5, 5)])
def test_intervals_cover_whatever_the_draws(sizes, between, pairing):
    repeats = [(draw, seed) for draw, size in enumerate(sizes) for seed in range(size)]
    covered, _ = count_covered(400, between, repeats, pairing, draws=len(sizes))
    assert covered >= 1 - allow(400)


@pytest.mark.slow(seconds=90)
def test_a_mixed_model_is_too_narrow_for_few_draws():
    """Why draws with unequal numbers of seeds are not weighed by a mixed model: its 95 % intervals are normal ones."""
    repeats = [(draw, seed) for draw in range(5) for seed in range(draw + 1)]
    random, covered = np.random.default_rng(0), 0
    for _ in range(500):
        plus, minus = draw_values(random, repeats)
        low, high = fit_mixed_model({key: plus[key] - minus[key] for key in repeats})
        covered += low <= 0 <= high
    assert covered / 500 < 1 - allow(500)
