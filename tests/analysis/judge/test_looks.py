import itertools

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.bounds import find_levels
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.looks import Plan, find_first, find_looks, judge_by_looks, list_decisions, read_plan
from dlexp.analysis.judge.verdict import judge as judge_study
from tests.analysis.simulate import allow

TEN, TWENTY = tuple(range(10)), tuple(range(20))
PLANNED = Plan(TWENTY, (5, 10, 20), "pocock")
ONCE = Plan(TEN, (10,), explicit=False)


def sizes(looks):
    return [(look.n, look.planned) for look in looks]


@pytest.mark.parametrize(
    ("plan", "begun", "found"),
    [
        (PLANNED, range(4), []),
        (PLANNED, range(7), [5]),
        (PLANNED, range(10), [5, 10]),
        (PLANNED, TWENTY, [5, 10, 20]),
        (ONCE, range(9), []),
        (ONCE, TEN, [10]),
        (ONCE, range(15), [15]),  # no report was made before: all seeds are one look
        (Plan((0, 1, 2), (3,), explicit=False), range(3), []),  # too few for a verdict, so that there was no look
        (Plan((0, 1, 2), (3,), explicit=False), range(5), [5]),
    ],
)
def test_a_look_is_reached_when_its_last_seed_has_run(plan, begun, found):
    looks = find_looks(plan, begun, [], 1)
    assert sizes(looks) == [(n, True) for n in found]
    assert [look.level for look in looks] == pytest.approx(
        [0.0194] * len(found) if plan.explicit else [0.05] * len(found), abs=2e-4
    )


def test_seeds_added_after_a_look_are_unplanned_looks_at_the_level_of_so_many():
    log = [ONCE.describe(Look(TEN, 0.05))]
    assert find_looks(ONCE, TEN, log, 1) == [Look(TEN, 0.05)]
    first, second = find_looks(ONCE, TWENTY, log, 1)
    assert (first, sizes([second])) == (Look(TEN, 0.05), [(20, False)])
    assert second.level == find_levels([10, 20], "pocock")[1]
    log.append(ONCE.describe(second))
    assert find_looks(ONCE, TWENTY, log, 1) == [first, second]  # a report made twice is one look
    third = find_looks(ONCE, range(30), log, 1)[2]
    assert (third.n, third.planned, third.level) == (30, False, find_levels([10, 20, 30], "pocock")[2])


def test_other_seeds_of_the_same_number_are_a_further_look():
    log = [ONCE.describe(Look(TEN, 0.05)), ONCE.describe(Look((*TEN, 10), 0.03, planned=False))]
    *_, last = find_looks(ONCE, (*TEN, 11), log, 1)
    assert (last.units, last.planned) == ((*TEN, 11), False)
    assert last.level == find_levels([10, 11, 12], "pocock")[2]


def test_a_plan_that_is_made_after_a_look_is_not_a_plan():
    """The seeds of a study's file are made more, or seeds=auto comes after a report at 5 %."""
    first = Look(tuple(range(5)), 0.05)
    log = [Plan(first.units, (5,), explicit=False).describe(first)]
    for plan in (ONCE, PLANNED, Plan(TWENTY, (5, 10, 20))):
        looks = find_looks(plan, TEN, log, 1)
        assert (looks[0], sizes(looks[1:])) == (first, [(10, False)])
        assert looks[1].level == find_levels([5, 10], "pocock")[1]


@pytest.mark.parametrize(("plan", "begun", "first"), [(PLANNED, (), range(5)), (ONCE, (1, 2, 30), (*TEN, 30))])
def test_before_the_first_look_its_seeds_are_judged(plan, begun, first):
    assert find_first(plan, begun, 1).units == tuple(first)


def test_the_plan_is_that_of_the_file_or_that_of_the_command():
    plan = {"unit": "seed", "units": [0, 3], "looks": [5], "bounds": "pocock"}
    assert read_plan({"study": {"seeds": [0, 1]}}) == Plan((0, 1), (2,), explicit=False)
    assert read_plan({"study": {"seeds": [0, 1]}, "plan": plan}) == Plan((0, 3), (5,), "pocock")
    assert read_plan({"study": {"seeds": [0, 1], "looks": [1, 2]}, "plan": plan}) == Plan((0, 1), (1, 2))
    drawn = {"seeds": [0, 1], "data_seeds": [4, 5, 6]}
    assert read_plan({"study": drawn, "plan": plan}) == Plan((4, 5, 6), (3,), explicit=False, unit="data_seed")
    assert read_plan({"study": {**drawn, "looks": [1, 3]}}) == Plan((4, 5, 6), (1, 3), unit="data_seed")


def judge(drawn, looks, expected="greater"):
    """Judge the differences of each prediction, [prediction, seed], against arms of zeros."""
    cells = [{"arm": f"{side}{i}"} for i in range(len(drawn)) for side in "ab"]
    predictions = [
        {"claim": str(i), "plus": {"arm": f"a{i}"}, "minus": {"arm": f"b{i}"}, "expected": expected} for i in range(len(drawn))
    ]
    study = {"predictions": predictions, "metric": "train/loss"}

    def judge_at(part, look):
        sides = [({seed: float(values[seed]) for seed in look.units}, dict.fromkeys(look.units, 0.0)) for values in drawn]
        found = list(itertools.chain.from_iterable(sides))
        return judge_study(part, cells, lambda metric: found, look=look)

    return judge_by_looks(study, judge_at, looks, looks[0])


def test_a_decided_prediction_stays_decided_and_leaves_the_family():
    random = np.random.default_rng(0)
    turns = np.concatenate([5 + random.random(5), -50 + random.random(15)])  # greater at first, less of all
    late = random.normal(1, 1, 20)
    never = np.where(np.arange(20) % 2, 1.0, -1.0) + 0.01 * random.random(20)
    looks = find_looks(PLANNED, TWENTY, [], 3)
    verdicts, made = judge(np.array([turns, late, never]), looks)
    assert [verdict.verdict for verdict in verdicts] == ["holds", "holds", "undecided"]
    assert verdicts[0].look == looks[0]
    assert [verdict.family for verdict in verdicts][::2] == [3, 1]
    assert verdicts[1].look in looks[1:]
    assert made == looks
    assert (verdicts[2].alpha, verdicts[2].level) == (looks[2].level, 1 - looks[2].level)
    assert list_decisions(verdicts, made, looks[0]) == {"0": "holds", "1": "undecided", "2": "undecided"}
    assert list_decisions(verdicts, made, looks[2])["1"] == "holds"
    assert judge(turns[None], looks)[1] == looks[:1]  # nothing is left for later looks


def test_the_interval_of_a_look_decides_as_its_level():
    values = np.random.default_rng(3).normal(1, 1, (1, 20))
    for look in find_looks(PLANNED, TWENTY, [], 1):
        verdict = judge(values, [look])[0][0]
        assert (verdict.low > 0) == (verdict.p < look.level)
        low, high = stats.t.interval(1 - look.level, look.n - 1, values[0, : look.n].mean(), stats.sem(values[0, : look.n]))
        assert (verdict.low, verdict.high) == pytest.approx((low, high))


def test_equivalence_at_a_look_is_two_one_sided_tests_at_its_level():
    study = {"predictions": [{"claim": "", "plus": {"arm": "a"}, "minus": {"arm": "b"}, "expected": "equal", "margin": 1.0}]}
    values = np.random.default_rng(0).normal(0, 0.1, 10)
    look = Look(TEN, 0.02)
    cells = [dict(enumerate(values.tolist())), dict.fromkeys(TEN, 0.0)]
    (verdict,) = judge_study({**study, "metric": "train/loss"}, [{"arm": "a"}, {"arm": "b"}], lambda metric: cells, look=look)
    assert (verdict.verdict, verdict.level) == ("holds", 0.96)


def count_wrong(studies, family, levels, *, paired, common):
    """Of studies without an effect, by t tests alone, how many decide something after 5, 10 or 20 seeds.

    `common` is the deviation of what the differences of one seed have in common, in units of the rest.
    """
    random, size = np.random.default_rng(family), (studies, family, 20)
    arms = [random.standard_normal(size) for _ in range(1 if paired else 2)]
    arms[0] += common * random.standard_normal((studies, 1, 20))
    wrong = np.zeros(studies, bool)
    for n, level in zip((5, 10, 20), levels, strict=True):
        seen = [arm[..., :n] for arm in arms]
        found = stats.ttest_1samp(*seen, 0, axis=2) if paired else stats.ttest_ind(*seen, axis=2, equal_var=False)
        wrong |= found.pvalue.min(1) < level / family  # the first prediction that Holm's procedure decides
    return wrong.sum()


@pytest.mark.parametrize("bounds", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize(("family", "common", "paired"), [(1, 0, True), (5, 0, True), (5, 1, True), (5, 0, False)])
def test_all_looks_and_predictions_together_err_in_five_per_cent(family, common, paired, bounds):
    levels = find_levels([5, 10, 20], bounds, family)
    assert count_wrong(20_000, family, levels, paired=paired, common=common) / 20_000 <= allow(20_000)
