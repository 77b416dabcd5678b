import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge import permutation

A = [0.91, 0.93, 0.90, 0.95, 0.92, 0.94]
B = [0.90, 0.91, 0.86, 0.95, 0.90]


def flips(differences) -> Iterator[float]:
    yield from (
        float(np.mean(np.multiply(differences, signs))) for signs in itertools.product((1, -1), repeat=len(differences))
    )


@pytest.mark.parametrize("differences", [[0.1] * 5, [0.1, 0.2, -0.05, 0.3, 0.1, 0.02], [1.0, -1.0, 2.0, -2.0, 0.5]])
def test_the_sign_flip_p_is_the_share_of_flips_that_are_as_far_from_zero(differences):
    share = np.mean([abs(mean) >= abs(np.mean(differences)) - 1e-12 for mean in flips(differences)])
    assert permutation.sign_flip_p(differences) == pytest.approx(share)


def test_the_permutation_p_of_ranks_is_that_of_the_exact_rank_sum_test():
    ranks = permutation.rank([[[1.0, 2.0, 4.0, 7.0]], [[3.0, 5.0, 6.0, 8.0, 9.0]]])
    expected = stats.mannwhitneyu([1, 2, 4, 7], [3, 5, 6, 8, 9], method="exact").pvalue
    assert permutation.permutation_p(list(ranks[0][0]), list(ranks[1][0])) == pytest.approx(expected)


def test_many_seeds_are_drawn_from_and_give_the_same_p_each_time():
    differences = np.linspace(-0.3, 0.5, 30).tolist()
    assert permutation.sign_flip_p(differences) == permutation.sign_flip_p(differences)
    assert permutation.sign_flip_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.01)


@pytest.mark.parametrize(("sizes", "data"), [((5,), ([1] * 5,)), ((4, 6), ([1] * 4, [0] * 6)), ((20,), ([1] * 20,))])
def test_the_least_p_is_reached_where_all_agree(sizes, data):
    test = permutation.sign_flip_p if len(data) == 1 else permutation.permutation_p
    assert permutation.least_p(*sizes) == pytest.approx(test(*data))


def test_aligned_runs_do_not_differ_by_their_cell():
    plus, minus = permutation.align([A, [a + 5 for a in A]], [B, [b + 5 for b in B]])
    assert np.ptp(plus + minus) < 0.2
    assert np.mean(plus) - np.mean(minus) == pytest.approx(np.mean(A) - np.mean(B))


@pytest.mark.parametrize("seeds", [5, 9, 14, 20])
def test_the_permutations_are_those_of_scipy(seeds):
    random = np.random.default_rng(seeds)
    plus, minus = random.normal(0.1, 1, seeds), random.normal(0, 1, seeds + 1)
    options = {"n_resamples": permutation.PERMUTATIONS, "vectorized": True}
    flipped = stats.permutation_test((plus,), np.mean, permutation_type="samples", rng=np.random.default_rng(0), **options)
    assert permutation.sign_flip_p(plus.tolist()) == flipped.pvalue

    def difference(first, second, axis):
        return first.mean(axis) - second.mean(axis)

    permuted = stats.permutation_test((plus, minus), difference, rng=np.random.default_rng(0), **options)
    assert permutation.permutation_p(plus.tolist(), minus.tolist()) == permuted.pvalue


@pytest.mark.parametrize("seeds", [5, 8, 14])
def test_equal_means_are_equal_although_they_are_rounded(seeds):
    """Accuracies are multiples of one part in the number of test examples; as whole numbers nothing is rounded."""
    random = np.random.default_rng(seeds)
    for _ in range(20):
        plus, minus = random.binomial(100, 0.9, seeds), random.binomial(100, 0.88, seeds)
        rates = (plus / 100).tolist(), (minus / 100).tolist()
        assert permutation.permutation_p(*rates) == permutation.permutation_p(plus.tolist(), minus.tolist())
        assert permutation.sign_flip_p(np.subtract(*rates).tolist()) == permutation.sign_flip_p((plus - minus).tolist())
