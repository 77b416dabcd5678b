"""The analysis of variance: shares that are computed by hand, and those of statsmodels."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from dlexp.analysis.judge import anova
from dlexp.analysis.judge.anova import HIGHER, RESIDUAL, SEED, can_separate_seeds, decompose, find_max_order

F0, F1, F2 = ("f0",), ("f1",), ("f2",)
BOTH = ("f0", "f1")


def make_runs(value, levels, seeds=range(5)):
    """A run for each cell and seed."""
    cells = np.ndindex(*levels)
    rows = [(value(seed, *cell), seed, *cell) for cell in cells for seed in seeds]
    return pd.DataFrame(rows, columns=["value", "seed", *(f"f{i}" for i in range(len(levels)))])


def shares_of(table):
    return dict(zip(table["term"], table["share"], strict=True))


def noisy(seed, *cell):
    return float(np.random.default_rng([seed, *cell]).normal()) + 2 * cell[0] + cell[0] * cell[1]


def test_a_balanced_table_gives_the_shares_that_are_computed_by_hand():
    # Contrasts of ±4 (first factor), ±2 (second), ±1 (interaction), ±1 over two seeds, ±0.5 that is none of these.
    def value(seed, a, b):
        a, b, s = 2 * a - 1, 2 * b - 1, 2 * seed - 1
        return 4 * a + 2 * b + a * b + s + 0.5 * a * b * s

    table = decompose(make_runs(value, (2, 2), range(2)), 2, 2)
    total = 16 + 4 + 1 + 1 + 0.25
    assert table["term"].tolist() == [F0, F1, BOTH, SEED, RESIDUAL]
    assert table["share"].tolist() == pytest.approx([16 / total, 4 / total, 1 / total, 1 / total, 0.25 / total])
    assert table["df"].tolist() == [1, 1, 1, 1, 3]
    assert table["noise"].tolist() == pytest.approx([0.25 / 3 / total] * 4 + [0.25 / total])
    assert table[["low", "high"]].isna().all(axis=None)  # of two seeds


@pytest.mark.parametrize("lost", [[], [3, 17, 40]])
def test_shares_are_those_of_statsmodels(lost):
    runs = make_runs(noisy, (2, 3, 2)).drop(index=lost)
    expected = anova_lm(ols("value ~ C(seed) + C(f0) * C(f1) * C(f2)", runs).fit(), typ=2)["sum_sq"]
    table = decompose(runs, 3, 3)
    names = [":".join(f"C({name})" for name in term) for term in table["term"][:-1]]
    total = ((runs["value"] - runs["value"].mean()) ** 2).sum()
    assert table["share"].tolist() == pytest.approx([*(expected[names] / total), expected["Residual"] / total])
    assert (table["share"].sum() == pytest.approx(1)) == (not lost)


def test_larger_interactions_are_one_term():
    whole = decompose(make_runs(noisy, (2, 3, 2)), 3, 3)
    table = decompose(make_runs(noisy, (2, 3, 2)), 3, 1)
    found = shares_of(table)
    assert table["term"].tolist() == [F0, F1, F2, HIGHER, SEED, RESIDUAL]
    assert found[HIGHER] == pytest.approx(sum(share for term, share in shares_of(whole).items() if len(term) > 1))
    assert {term: found[term] for term in (F0, SEED, RESIDUAL)} == pytest.approx(
        {term: shares_of(whole)[term] for term in (F0, SEED, RESIDUAL)}
    )
    assert table["low"].notna().tolist() == [True] * 4 + [False] * 2


@pytest.mark.parametrize("lost", [[], [3, 17]])
def test_resampling_each_seed_once_gives_the_shares_themselves(lost):
    runs = make_runs(noisy, (2, 3, 2)).drop(index=lost)
    table = decompose(runs, 3, 2)
    terms = table["term"].tolist()[:-2]
    models = anova._make_model(runs, ["f0", "f1", "f2"], 2), anova._make_model(*anova._as_cells(runs, 3))
    compute = anova._ShareFunction(runs, *models, terms)
    assert compute(np.ones((1, 5)))[:, 0] == pytest.approx(table["share"][:-2])
    # A seed that is drawn twice is two blocks.
    double = pd.concat([runs, runs[runs["seed"] == 2].assign(seed=5)])
    assert compute(np.array([[1.0, 1, 2, 1, 1]]))[:, 0] == pytest.approx(decompose(double, 3, 2)["share"][:-2])


def test_the_interval_is_the_same_each_time_and_includes_the_share():
    first, second = (decompose(make_runs(noisy, (2, 3), range(6)), 2, 2) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    effects = first[first["low"].notna()]
    assert len(effects) == 3
    assert (effects["low"] <= effects["share"]).all()
    assert (effects["share"] <= effects["high"]).all()
    assert (effects[["low", "high"]].stack().between(0, 1)).all()
    assert (effects["high"] > effects["low"]).all()


def test_a_seed_with_a_single_run_is_resampled_with_the_others():
    runs = make_runs(noisy, (2, 3))
    table = decompose(runs[(runs["seed"] > 0) | cell(runs, f0=1, f1=2)], 2, 2)
    assert table["low"].notna().tolist() == [True] * 3 + [False] * 2


def test_runs_without_noise_have_an_interval_of_one_point():
    table = decompose(make_runs(lambda seed, a, b: float(a + 2 * b), (2, 2)), 2, 2)
    assert table["share"].tolist() == pytest.approx([0.2, 0.8, 0, 0, 0])
    assert table["low"][:2].tolist() == pytest.approx([0.2, 0.8])
    assert table["high"][:2].tolist() == pytest.approx([0.2, 0.8])


def cell(runs, **codes):
    return (runs[list(codes)] == pd.Series(codes)).all(axis=1)


@pytest.mark.parametrize(
    ("empty", "order"),
    [([], 3), ([{"f0": 0, "f1": 0, "f2": 0}], 2), ([{"f0": 0, "f1": 0}], 1), ([{"f0": 0, "f1": 1}, {"f0": 1, "f1": 0}], 0)],
)
def test_empty_cells_limit_the_interactions(empty, order):
    runs = make_runs(noisy, (2, 2, 3))
    for codes in empty:
        runs = runs[~cell(runs, **codes)]
    assert find_max_order(runs, 3) == order


def test_cells_that_share_no_seed_cannot_be_separated_from_it():
    runs = make_runs(noisy, (2, 2), range(4))
    assert can_separate_seeds(runs, 2)
    apart = runs[(runs["seed"] < 2) == (runs["f0"] == 0)]
    assert not can_separate_seeds(apart, 2)
    assert not can_separate_seeds(runs[runs["seed"] == 0], 2)


@pytest.mark.slow(seconds=60)
@pytest.mark.parametrize("seeds", [5, 10])
def test_intervals_cover_the_share_of_the_true_effects(seeds):
    effects = np.array([[0, 0, 0], [1, 1, 3], [2, 2, 6.0]])
    rows, columns = effects.mean(1) - effects.mean(), effects.mean(0) - effects.mean()
    rest = effects - effects.mean() - rows[:, None] - columns
    parts = np.array([(rows**2).mean(), (columns**2).mean(), (rest**2).mean()])
    true, drawn, hits = parts / (parts.sum() + 0.25 + 1), np.random.default_rng(3), np.zeros(3)
    for _ in range(200):
        values = effects + 0.5 * drawn.normal(size=(seeds, 1, 1)) + drawn.normal(size=(seeds, 3, 3))
        table = decompose(make_runs(lambda *place, values=values: values[place], (3, 3), range(seeds)), 2, 2)[:3]
        hits += (table["low"] <= true) & (true <= table["high"])
    assert (hits / 200 >= 0.87).all()
