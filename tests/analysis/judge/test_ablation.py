"""What the switches of a recipe are worth, on numbers whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis import analyse
from dlexp.analysis.judge.ablation import weigh_switches
from tests.analysis.made_ablation import (
    BOTH,
    LUCK,
    SWITCHES,
    describe_switches,
    draw_accuracies,
    find_truth,
    make_ablation_study,
)
from tests.analysis.simulate import allow

NAMES = list(SWITCHES)


def weigh(found, names=NAMES, **study):
    """The ablation of arms with these values: arm → seed → value, None for a failed run, no entry for a missing one."""
    repeats = sorted({repeat for values in found.values() for repeat in values})
    drawn = isinstance(repeats[0], tuple)
    seeds = {"seeds": sorted({repeat[1] for repeat in repeats} if drawn else repeats)}
    seeds |= {"data_seeds": sorted({repeat[0] for repeat in repeats})} if drawn else {}
    content = {"metric": "test/acc", "pairing": "paired", "switches": describe_switches(names)} | seeds | study
    return weigh_switches(content, [{"arm": arm} for arm in found], lambda metric: list(found.values()))


def values(found, arm):
    return np.array(list(found[arm].values()))


def test_each_estimate_is_the_paired_t_interval():
    found = draw_accuracies(NAMES, 8)
    ablation = weigh(found)
    assert [each.name for each in ablation.worths] == ["augment", "optimizer", "loss.label_smoothing", "dropout"]
    for each in ablation.worths:
        above = values(found, "recipe") - values(found, f"without {each.name}")
        below = values(found, f"only {each.name}") - values(found, "plain")
        for verdict, differences in ((each.above, above), (each.below, below), (each.interaction, above - below)):
            expected = stats.ttest_1samp(differences, 0)
            assert (verdict.estimate, verdict.p) == pytest.approx((differences.mean(), expected.pvalue))
            assert (verdict.low, verdict.high) == pytest.approx(tuple(expected.confidence_interval()))
            assert verdict.n == 8
    total = stats.ttest_rel(values(found, "recipe"), values(found, "plain"))
    assert (ablation.total.low, ablation.total.high) == pytest.approx(tuple(total.confidence_interval()))


def test_holm_is_over_all_differences_and_the_interactions_are_a_family_of_their_own():
    ablation = weigh(draw_accuracies(NAMES, 8))
    differences = [ablation.total, *(side for each in ablation.worths for side in (each.above, each.below))]
    assert {verdict.family for verdict in differences} == {ablation.family} == {9}
    assert max(verdict.p_holm for verdict in differences) <= 1
    assert min(verdict.p_holm for verdict in differences) == pytest.approx(9 * min(verdict.p for verdict in differences))
    interactions = [each.interaction for each in ablation.worths]
    assert {verdict.family for verdict in interactions} == {4}
    assert min(verdict.p_holm for verdict in interactions) == pytest.approx(4 * min(verdict.p for verdict in interactions))


def test_the_truth_is_found_where_it_is_and_decided():
    """From above and from below; augment and optimizer are each worth more beside the other."""
    ablation = weigh(draw_accuracies(NAMES, 10))
    for each in ablation.worths:
        alone = SWITCHES[each.name][2]
        within = alone + (BOTH if each.name in ("optimizer", "augment") else 0.0)
        assert each.above.estimate == pytest.approx(within, abs=0.006)
        assert each.below.estimate == pytest.approx(alone, abs=0.006)
        assert each.interaction.estimate == pytest.approx(within - alone, abs=0.009)
        assert each.interaction.verdict == ("holds" if within > alone else "undecided")
        if alone:
            assert [each.above.verdict, each.below.verdict] == (["holds"] * 2 if alone > 0 else ["fails"] * 2)
    assert ablation.total.estimate == pytest.approx(find_truth(NAMES) - find_truth([]), abs=0.006)
    sums = sum(SWITCHES[name][2] for name in NAMES)
    assert ablation.add_up("below") == pytest.approx(sums, abs=0.015)
    assert ablation.add_up("above") == pytest.approx(sums + 2 * BOTH, abs=0.015)


@pytest.mark.slow(60)
def test_intervals_cover_and_nothing_is_decided_where_nothing_is():
    """2,000 studies: 95 % of each interval cover; all decisions where there is no effect together err in 5 % at most.

    3.5 standard errors are allowed.
    """
    studies, covered, wrong = 2000, [], 0
    for study in range(studies):
        ablation = weigh(draw_accuracies(NAMES, 8, random=study))
        each = next(each for each in ablation.worths if each.name == "optimizer")
        covered.append([each.above.low <= 0.07 <= each.above.high, each.interaction.low <= BOTH <= each.interaction.high])
        none = next(each for each in ablation.worths if each.name == "loss.label_smoothing")
        wrong += none.above.verdict != "undecided" or none.below.verdict != "undecided"
    assert np.mean(1 - np.array(covered), axis=0).max() <= allow(studies)
    assert wrong / studies <= allow(studies)


def test_pairing_removes_the_luck_of_a_seed():
    found = draw_accuracies(NAMES, 10)
    paired, independent = (weigh(found, pairing=pairing).worths[0] for pairing in ("paired", "independent"))
    assert paired.above.high - paired.above.low < LUCK / 2 < independent.above.high - independent.above.low
    assert independent.above.estimate == pytest.approx(paired.above.estimate)
    assert independent.interaction.estimate == pytest.approx(paired.interaction.estimate)


def test_two_switches_have_one_interaction_which_is_tested_once():
    found = draw_accuracies(["optimizer", "augment"], 8)
    first, second = weigh(found, ["optimizer", "augment"]).worths
    assert first.interaction == second.interaction
    assert first.interaction.p_holm == first.interaction.p
    assert first.interaction.estimate == pytest.approx(BOTH, abs=0.009)
    expected = values(found, "recipe") - values(found, "only optimizer")
    assert next(each for each in (first, second) if each.name == "augment").above.estimate == pytest.approx(expected.mean())


def test_of_a_metric_that_should_be_low_less_is_better():
    losses = {arm: {seed: 1 - value for seed, value in found.items()} for arm, found in draw_accuracies(NAMES, 10).items()}
    ablation = weigh(losses, metric="test/loss")
    assert [each.name for each in ablation.worths][::3] == ["augment", "dropout"]
    assert ablation.worths[0].above.estimate < 0
    assert [each.above.verdict for each in ablation.worths][::3] == ["holds", "fails"]


def test_costs_are_compared_as_ratios():
    seconds = {
        arm: {seed: 10 * np.exp(-value) for seed, value in found.items()} for arm, found in draw_accuracies(NAMES, 8).items()
    }
    ablation = weigh(seconds, metric="train/seconds")
    first = ablation.worths[0]
    assert (ablation.ratio, first.name, first.above.verdict) == (True, "augment", "holds")
    assert first.above.estimate == pytest.approx(np.exp(-0.09), abs=0.006)
    assert first.below.estimate == pytest.approx(np.exp(-0.05), abs=0.006)
    assert first.interaction.estimate == pytest.approx(first.above.estimate / first.below.estimate)
    assert first.interaction.low < first.interaction.estimate < first.interaction.high < 1
    assert ablation.add_up("below") == pytest.approx(np.prod([each.below.estimate for each in ablation.worths]))


def test_draws_of_the_data_are_the_unit():
    found = {
        arm: {(seed, 0): value for seed, value in values.items()} | {(seed, 1): value + 0.001 for seed, value in values.items()}
        for arm, values in draw_accuracies(NAMES, 6).items()
    }
    first = weigh(found).worths[0]
    assert (first.above.n, first.interaction.n, first.above.by_draw) == (6, 6, True)
    single = weigh(draw_accuracies(NAMES, 6)).worths[0]
    assert (first.interaction.low, first.interaction.high) == pytest.approx((single.interaction.low, single.interaction.high))


def test_failed_and_missing_runs_are_judged_as_elsewhere():
    found = draw_accuracies(NAMES, 8)
    found["without augment"] = dict.fromkeys(range(8))  # none of them learned
    del found["only dropout"][3]
    worths = {each.name: each for each in weigh(found).worths}
    augment, dropout = worths["augment"], worths["dropout"]
    assert (augment.above.estimate, augment.above.failed, augment.above.by_ranks) == (None, 8, True)
    assert augment.above.p == pytest.approx(2 / 2**8)
    assert (augment.below.verdict, augment.interaction.cause) == ("holds", "unranked")
    assert (dropout.below.missing, dropout.below.n, dropout.interaction.missing) == (1, 7, 1)
    assert weigh(found).worths[-1].name == "augment"  # without a number, it comes last
    assert weigh(found).add_up("above") is None


@pytest.mark.parametrize("seeds", [1, 4])
def test_with_few_seeds_nothing_is_decided(seeds):
    ablation = weigh(draw_accuracies(NAMES, seeds))
    assert {verdict.cause for verdict in ablation.all_verdicts} == {"few"}
    assert (ablation.worths[0].above.low is None) == (seeds == 1)


def test_more_seeds_are_asked_for_if_a_difference_of_interest_is_declared():
    smoothing = next(each for each in weigh(draw_accuracies(NAMES, 8), effect=0.004).worths if not SWITCHES[each.name][2])
    verdict = smoothing.below
    assert (verdict.need, verdict.needed > 8, verdict.effect) == ("power", True, 0.004)
    assert smoothing.interaction.needed > verdict.needed  # it varies more, because it is about four cells


def test_a_study_without_a_recipe_has_none():
    assert weigh_switches({"metric": "test/acc"}, [{"depth": 1}], lambda metric: [{0: 0.5}]) is None


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return analyse(make_ablation_study(tmp_path_factory.mktemp("outputs"), ["optimizer", "augment", "dropout"], seeds=5))


def test_an_analysis_has_it_as_a_table(result):
    table = result.ablation.table
    assert table["switch"].tolist() == ["augment", "optimizer", "dropout", "all"]
    assert table["recipe"].tolist() == ["augment=standard", "optimizer=muon optimizer.lr=0.05", "dropout=0.2", None]
    assert table["plain"].tolist() == ["augment=none", "optimizer=adamw", "dropout=0.0", None]
    found = draw_accuracies(["optimizer", "augment", "dropout"], 5)
    above = values(found, "recipe") - values(found, "without dropout")
    assert table["above_estimate"].tolist()[2] == pytest.approx(above.mean())
    assert table["interaction_estimate"].tolist()[3] is None
    assert table["above_n"].tolist() == [5] * 4
