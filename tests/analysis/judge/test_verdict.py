import math

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.verdict import judge, select

CELLS = [{"activation": a, "depth": d} for a in ("relu", "sigmoid") for d in (1, 8)]
RELU = {"claim": "relu", "plus": {"activation": "relu"}, "minus": {"activation": "sigmoid"}, "expected": "greater"}


def verdict_of(differences, *, others=(), pairing="paired", cells=CELLS, study_effect=0.02, **prediction):
    """The verdict on relu - sigmoid at depth 8, where relu is better by these differences, seed by seed."""
    seeds = range(len(differences))
    relu = {seed: 0.6 + 0.02 * seed + differences[seed] for seed in seeds}
    values = {"relu": relu, "sigmoid": {seed: 0.6 + 0.02 * seed for seed in seeds}}
    first = {**RELU, "where": {"depth": 8}, **prediction}
    study = {"predictions": [first, *others], "pairing": pairing, "effect": study_effect}
    return judge(study, cells, lambda metric: [values[cell["activation"]] for cell in cells])[0]


@pytest.mark.parametrize(
    ("differences", "prediction", "verdict"),
    [
        ([0.1, 0.12, 0.11, 0.09, 0.1], {}, "holds"),
        ([0.1, 0.12, 0.11, 0.09, 0.1], {"expected": "less"}, "fails"),
        ([-0.1, -0.12, -0.11, -0.09, -0.1], {}, "fails"),
        ([-0.1, -0.12, -0.11, -0.09, -0.1], {"expected": "less"}, "holds"),
        ([0.1, -0.12, 0.11, -0.09, 0.1], {}, "undecided"),
        ([0.1, 0.12, 0.11, 0.09, 0.1], {"margin": 0.1}, "undecided"),
        ([0.1, 0.12, 0.11, 0.09, 0.1], {"margin": 0.2}, "fails"),
        ([-0.1, -0.12, -0.11, -0.09, -0.1], {"expected": "less", "margin": 0.05}, "holds"),
        ([0.01, -0.01, 0.0, 0.01, -0.01], {"expected": "equal", "margin": 0.05}, "holds"),
        ([0.1, 0.12, 0.11, 0.09, 0.1], {"expected": "equal", "margin": 0.05}, "fails"),
        ([-0.1, -0.12, -0.11, -0.09, -0.1], {"expected": "equal", "margin": 0.05}, "fails"),
        ([0.06, 0.04, 0.07, 0.05, 0.02], {"expected": "equal", "margin": 0.05}, "undecided"),
        ([0.1] * 5, {}, "undecided"),
        ([0.1] * 6, {}, "holds"),
        ([0.0] * 6, {}, "undecided"),
        ([0.0] * 5, {"expected": "equal", "margin": 0.01}, "undecided"),
        ([0.0] * 6, {"expected": "equal", "margin": 0.01}, "holds"),
    ],
)
def test_the_interval_decides(differences, prediction, verdict):
    found = verdict_of(differences, **prediction)
    assert found.verdict == verdict
    assert (found.p < 0.05) == (verdict != "undecided")
    assert (found.need is None) == (verdict != "undecided")
    assert (found.needed is None) == (found.need not in ("power", "least"))


@pytest.mark.parametrize("pairing", ["paired", "independent"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_no_verdict_on_fewer_than_five_seeds(n, pairing):
    found = verdict_of([0.3, 0.31, 0.29, 0.3][:n], pairing=pairing)
    assert (found.verdict, found.cause, found.n) == ("undecided", "few", n)
    assert found.reason.startswith(f"n = {n}, needs ")
    found = verdict_of([0.3, 0.31, 0.29, 0.3][:n], pairing=pairing, study_effect=None)
    assert found.reason == f"n = {n}, needs at least {6 if pairing == 'paired' else 5} seeds."


def test_five_equal_differences_have_the_p_of_the_sign_flips():
    found = verdict_of([0.1] * 5)
    assert (found.cause, found.p, found.p_exact, found.needed) == ("agree", 0.0625, 0.0625, 6)
    assert "all differences are equal, so a t test is not possible; the exact sign-flip test has p = 0.0625" in found.reason
    assert verdict_of([0.1] * 7, others=[{**RELU, "where": {"depth": 1}}] * 4).needed == 8


def test_a_verdict_that_the_exact_test_cannot_confirm_says_what_it_assumes():
    found = verdict_of([0.1, 0.12, 0.11, 0.09, 0.1])
    assert "interval of the difference between runs that learn, +8.98 to +11.82" in found.reason
    assert "(n = 5; if differences are normal)" in found.reason
    found = verdict_of([0.1, 0.12, 0.11, 0.09, 0.1, 0.13])
    assert (found.if_normal, found.p_exact) == (False, 2 / 2**6)
    assert "normal" not in found.reason


def test_an_exact_test_that_could_decide_and_does_not_leaves_it_undecided():
    exact = stats.permutation_test(([0.1, 0.1, 0.1, 0.1, 0.1, -0.02],), np.mean, permutation_type="samples").pvalue
    found = verdict_of([0.1, 0.1, 0.1, 0.1, 0.1, -0.02])
    assert (found.cause, found.p_exact) == ("exact", pytest.approx(exact))
    assert found.p < 0.05 < exact
    assert "but not the exact sign-flip test, which assumes no distribution" in found.reason


def test_equivalence_is_decided_by_two_one_sided_tests():
    differences = [0.01, -0.03, 0.02, 0.015, -0.025, 0.03, 0.02]
    found = verdict_of(differences, expected="equal", margin=0.0245)
    above = stats.ttest_1samp(differences, 0.0245, alternative="less")
    assert (found.verdict, found.level, found.p) == ("holds", 0.90, pytest.approx(above.pvalue))
    assert found.p < 0.05 < 2 * found.p
    assert (found.low, found.high) == pytest.approx(stats.ttest_1samp(differences, 0).confidence_interval(0.9))
    assert "The 90 % interval" in found.reason


@pytest.mark.parametrize("pairing", ["paired", "independent"])
@pytest.mark.parametrize(("metric", "expected"), [("test/acc", "greater"), ("test/loss", "less")])
def test_failed_runs_rank_as_the_worst(pairing, metric, expected):
    """Relu never fails and sigmoid fails in half of its runs; those that learned are alike."""
    good = [{seed: 0.8 + (seed * 7 % 10) / 100 for seed in range(20)}] * 2
    bad = [{seed: None if seed % 2 else 0.8 + (seed * 3 % 10) / 100 for seed in range(20)}] * 2
    study = {"predictions": [RELU | {"where": {"depth": 8}, "expected": expected, "metric": metric}], "pairing": pairing}
    found = judge(study, CELLS, lambda name: good + bad)[0]
    assert (found.verdict, found.by_ranks, found.failed, found.n) == ("holds", True, 10, 20)
    assert [(rate.learned, rate.runs) for rate in found.rates] == [(20, 20), (10, 20)]
    assert found.rates[1].low == pytest.approx(stats.binomtest(10, 20).proportion_ci().low)
    counts = [[20, 10], [0, 10]]
    assert found.p_rates == pytest.approx(
        stats.binomtest(0, 10).pvalue if pairing == "paired" else stats.barnard_exact(counts).pvalue
    )
    assert "by rank (n = 20; exact" in found.reason
    assert "10 of 40 runs failed to learn" in found.reason
    contrary = judge(
        {**study, "predictions": [study["predictions"][0] | {"plus": RELU["minus"], "minus": RELU["plus"]}]},
        CELLS,
        lambda name: good + bad,
    )[0]
    assert contrary.verdict == "fails"


def test_failed_runs_of_five_seeds_decide_nothing_and_a_margin_cannot_be_ranked():
    values = [dict.fromkeys(range(5), 0.9)] * 2 + [dict.fromkeys(range(5))] * 2
    found = judge({"predictions": [RELU]}, CELLS, lambda metric: values)[0]
    assert (found.cause, found.p, found.estimate) == ("ranks", 0.0625, None)
    assert "with so few runs it cannot be below 0.062" in found.reason
    for changes in ({"margin": 0.1}, {"ratio": 2}, {"expected": "equal", "margin": 0.1}):
        assert judge({"predictions": [RELU | changes]}, CELLS, lambda metric: values)[0].cause == "unranked"
    crossed = {"plus": [{"activation": "relu", "depth": 1}, {"activation": "sigmoid", "depth": 8}]}
    crossed |= {"minus": [{"activation": "relu", "depth": 8}, {"activation": "sigmoid", "depth": 1}]}
    assert judge({"predictions": [RELU | crossed]}, CELLS, lambda metric: values)[0].cause == "unranked"


@pytest.mark.parametrize(("missing", "verdict"), [(1, "holds"), (8, "undecided")])
@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_missing_runs_are_bounded_from_both_sides(missing, verdict, pairing):
    relu = {seed: 0.9 + seed / 1000 for seed in range(20) if seed >= missing}
    values = [relu] * 2 + [{seed: 0.8 + seed / 1000 for seed in range(20)}] * 2
    study = {"predictions": [RELU | {"where": {"depth": 8}}], "seeds": list(range(20)), "pairing": pairing}
    found = judge(study, CELLS, lambda metric: values)[0]
    assert (found.verdict, found.missing, found.planned) == (verdict, missing, 40)
    assert f"{missing} of 40 runs are missing" in found.reason
    assert found.cause == ("holds" if verdict == "holds" else "bounds")


def test_differences_within_the_noise_count_half():
    values = [dict.fromkeys(range(6), 0.9)] * 2 + [{0: 0.89, 1: 0.89, 2: 0.8, 3: 0.8, 4: 0.8, 5: 0.95}] * 2
    study = {"predictions": [RELU]}
    assert judge(study, CELLS, lambda metric: values)[0].probability == pytest.approx(5 / 6)
    assert judge(study, CELLS, lambda metric: values, lambda metric: 0.02)[0].probability == pytest.approx(4 / 6)


def test_pairing_removes_what_the_seeds_share_and_independent_cells_do_not():
    differences = [0.02, 0.021, 0.019, 0.022, 0.018]
    assert verdict_of(differences).verdict == "holds"
    found = verdict_of(differences, pairing="independent")
    assert (found.verdict, found.cause, found.correlation) == ("undecided", "wide", None)
    assert found.reason.startswith(f"n = 5, needs about {found.needed} seeds for 80 % power at a difference of +2.00 points: ")
    assert verdict_of(differences).correlation == pytest.approx(1, abs=0.01)


def test_holms_correction_can_undo_a_verdict():
    differences = [0.05, 0.01, 0.06, 0.02, 0.03]
    assert verdict_of(differences).verdict == "holds"
    found = verdict_of(differences, others=[{**RELU, "plus": {"activation": "tanh"}}] * 5)
    assert (found.verdict, found.cause) == ("undecided", "holm")
    assert (found.p < 0.05, found.p_holm) == (True, pytest.approx(6 * found.p))
    alone = verdict_of([value - 0.03 for value in differences])  # varies as much, and is undecided without Holm's correction
    assert (alone.need, found.need) == ("power", "power")
    assert found.needed > alone.needed > 5


def test_a_prediction_that_cannot_be_judged_yet_counts_in_the_correction():
    few = {**RELU, "metric": "few"}
    values = {"few": [{0: 1.0, 1: 1.0}] * 2 + [{0: 0.5, 1: 0.5}] * 2}
    values["test/acc"] = [{seed: 0.5 + seed % 3 / 10 for seed in range(6)}] * 2 + [dict.fromkeys(range(6), 0.5)] * 2
    first, second = judge({"predictions": [few, RELU]}, CELLS, values.__getitem__)
    assert (first.n, first.p_holm) == (2, None)
    assert second.p_holm == pytest.approx(2 * second.p)


UNSURE = [0.03, -0.02, 0.04, 0.01, -0.01]


@pytest.mark.parametrize(
    ("prediction", "need", "words"),
    [
        ({}, "power", "needs about 33 seeds for 80 % power at a difference of +2.00 points: "),
        ({"expected": "less"}, "power", "needs about 33 seeds for 80 % power at a difference of -2.00 points: "),
        ({"effect": 0.03, "margin": 0.01}, "power", "needs about 33 seeds for 80 % power at a difference of +3.00 points: "),
        ({"effect": 0.03}, "power", "needs about 16 seeds for 80 % power at a difference of +3.00 points: "),
        ({"effect": 0.001}, "many", "needs more than 1000 seeds for 80 % power at a difference of +0.10 points: "),
        ({"expected": "equal", "margin": 0.03}, "power", "seeds for 80 % power at a difference of 0: "),
        ({"study_effect": None}, "undeclared", "(declare `effect: …` in the study): "),
        ({"metric": "test/loss"}, "undeclared", "(declare `effect: …` in the study): "),
    ],
)
def test_the_number_of_seeds_is_that_of_the_declared_effect(prediction, need, words):
    found = verdict_of(UNSURE, **prediction)
    assert (found.verdict, found.need) == ("undecided", need)
    assert words in found.reason
    assert found.reason.count("seeds for") + found.reason.count("declare") == 1


def test_the_number_does_not_follow_the_observed_difference():
    assert verdict_of([value + 0.01 for value in UNSURE]).needed == verdict_of(UNSURE).needed


def test_seeds_that_are_enough_are_not_asked_for():
    found = verdict_of(UNSURE * 4, effect=0.05)
    assert (found.verdict, found.need, found.needed) == ("undecided", "enough", None)
    assert found.reason.startswith("n = 20, enough for 80 % power at a difference of +5.00 points: ")


def test_the_number_of_an_equivalence_is_larger_where_equality_shall_be_shown_of_a_difference():
    equal = [verdict_of(UNSURE, expected="equal", margin=0.03, **more) for more in ({}, {"effect": 0.01})]
    assert equal[0].needed < equal[1].needed


@pytest.mark.parametrize(
    ("values_of_last", "cause", "reason"),
    [({}, "no_runs", "no usable run of activation=sigmoid depth=8"), ({7: 0.5}, "no_common_seed", "no seed has every cell")],
)
def test_no_verdict_where_a_cell_is_missing(values_of_last, cause, reason):
    values = [dict.fromkeys(range(5), 0.5) for _ in CELLS[:3]] + [values_of_last]
    found = judge({"predictions": [RELU]}, CELLS, lambda metric: values)[0]
    assert (found.verdict, found.cause, found.n, found.needed) == ("undecided", cause, 0, 6)
    assert reason in found.reason


def test_only_seeds_that_have_every_cell_are_paired():
    values = [{seed: 0.6 + seed / 1000 for seed in range(8)}] * 3 + [dict.fromkeys(range(6), 0.5)]
    found = judge({"predictions": [RELU]}, CELLS, lambda metric: values)[0]
    assert (found.n, found.n_learned, found.cause) == (6, 6, "bounds")
    assert "2 of 32 runs are missing" in found.reason


def test_a_prediction_names_its_own_metric_and_several_cells():
    asked = []
    prediction = {**RELU, "plus": [{"depth": 1}, {"depth": 8}], "where": {"activation": "relu"}, "metric": "test/loss"}
    judge({"predictions": [prediction], "metric": "test/acc"}, CELLS, lambda name: asked.append(name) or [{0: 1.0}] * 4)
    assert asked == ["test/loss"]
    assert select(CELLS, prediction["plus"], prediction["where"]) == [0, 1]


def ratio_of(ratios, *, pairing="paired", **prediction):
    """The verdict on seconds of sigmoid / seconds of relu at depth 8, with these ratios, seed by seed."""
    quick = {seed: 3.0 + seed for seed in range(len(ratios))}
    values = {"relu": quick, "sigmoid": {seed: quick[seed] * ratio for seed, ratio in enumerate(ratios)}}
    asked = {**RELU, "plus": RELU["minus"], "minus": RELU["plus"], "where": {"depth": 8}, "metric": "train/seconds"}
    study = {"predictions": [asked | prediction], "pairing": pairing}
    return judge(study, CELLS, lambda metric: [values[cell["activation"]] for cell in CELLS])[0]


TWICE = [2.1, 2.2, 2.05, 2.15, 2.1]


@pytest.mark.parametrize(
    ("ratios", "prediction", "verdict"),
    [
        (TWICE, {"ratio": 2}, "holds"),
        (TWICE, {"ratio": 2.1}, "undecided"),
        (TWICE, {"ratio": 3}, "fails"),
        (TWICE, {"ratio": 1, "expected": "less"}, "fails"),
        ([1 / ratio for ratio in TWICE], {"ratio": 2, "expected": "less"}, "holds"),
        ([1 / ratio for ratio in TWICE], {"ratio": 3, "expected": "less"}, "fails"),
        ([1.01, 0.99, 1.02, 1.0, 0.98], {"ratio": 1.1, "expected": "equal"}, "holds"),
        (TWICE, {"ratio": 1.1, "expected": "equal"}, "fails"),
        ([2.0] * 5, {"ratio": 1.5}, "undecided"),
        ([2.0] * 6, {"ratio": 1.5}, "holds"),
    ],
)
def test_the_interval_of_a_ratio_decides(ratios, prediction, verdict):
    assert ratio_of(ratios, **prediction).verdict == verdict


def test_a_ratio_is_reported_as_one_and_is_that_of_logarithms():
    found = ratio_of(TWICE, ratio=2)
    logarithms = np.log(TWICE)
    half = stats.t.ppf(0.975, 4) * logarithms.std(ddof=1) / math.sqrt(5)
    ends = [math.exp(logarithms.mean() + sign * half) for sign in (-1, 0, 1)]
    assert [found.low, found.estimate, found.high] == pytest.approx(ends)
    assert (found.ratio, found.margin) == (True, pytest.approx(2))
    assert (
        found.reason
        == f"The 95 % interval of the ratio, {ends[0]:.3g} to {ends[2]:.3g}, lies above 2 (n = 5; if differences are normal)."
    )
    near = ratio_of([1.0, 1.2, 0.9, 1.1, 1.05], ratio=1.1, expected="equal")
    assert "the 90 % interval of the ratio, 0.944 to 1.16, includes 1.1" in near.reason
    assert ratio_of([1.01, 1.0, 1.02], ratio=1.1, expected="equal").reason.startswith("n = 3, needs about ")
    less = ratio_of([0.4, 0.7, 0.5, 0.3, 0.6], ratio=1.5, effect=2, expected="less")
    assert (less.effect, "80 % power at a ratio of 0.5: " in less.reason) == (pytest.approx(2), True)


def test_a_ratio_of_independent_arms_is_that_of_their_geometric_means():
    found = ratio_of(TWICE, ratio=2, pairing="independent")
    assert found.estimate == pytest.approx(stats.gmean(TWICE))
    assert found.verdict == "undecided"  # the seeds take 3 to 7 seconds


def test_a_run_without_a_logarithm_is_missing_in_a_ratio():
    found = ratio_of([*TWICE, 0.0], ratio=2)
    assert (found.n, found.missing, found.cause) == (5, 1, "unranked")


def test_a_difference_of_costs_has_its_unit():
    study = {"predictions": [RELU | {"metric": "memory.allocated"}]}
    values = [dict.fromkeys(range(6), 2**20 * size) for size in (30, 30, 10, 10)]
    assert "+20 MiB to +20 MiB" in judge(study, CELLS, lambda metric: values)[0].reason


def test_a_study_without_predictions_has_no_verdicts():
    assert judge({}, CELLS, lambda metric: []) == []
