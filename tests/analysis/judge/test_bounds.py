import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.bounds import find_levels

PUBLISHED = [  # nominal levels for equally spaced looks at normal statistics (Jennison and Turnbull 2000, tables 2.1 and 2.3)
    ([1000, 2000], "pocock", [0.0294, 0.0294]),
    ([1000, 2000], "obrien_fleming", [0.0052, 0.0480]),
    ([1000, 2000, 3000], "pocock", [0.0221, 0.0221, 0.0221]),
    ([1000, 2000, 3000], "obrien_fleming", [0.0005, 0.0141, 0.0451]),
]


@pytest.mark.parametrize(("looks", "bounds", "levels"), PUBLISHED)
def test_with_many_seeds_the_levels_are_those_of_published_tables(looks, bounds, levels):
    assert find_levels(looks, bounds) == pytest.approx(levels, abs=3e-4)


def test_five_ten_and_twenty_seeds_have_the_level_of_their_t_statistics():
    assert find_levels([5, 10, 20], "pocock") == pytest.approx([0.0195] * 3, abs=2e-4)
    first, second, last = find_levels([5, 10, 20])
    assert first < 1e-4 < second < 0.006 < 0.045 < last < 0.05


def test_one_look_has_the_whole_level():
    assert find_levels([10], family=5) == [0.05]


@pytest.fixture(scope="module")
def p_values():
    """p of paired t tests without an effect, drawn seed by seed, at 5, 10 and 20 seeds: [look, study]."""
    drawn = np.random.default_rng(1).standard_normal((100_000, 20))
    means = [stats.ttest_1samp(drawn[:, :n], 0, axis=1).pvalue for n in (5, 10, 20)]
    return np.array(means)


@pytest.mark.parametrize("bounds", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("family", [1, 5, 20])
def test_the_looks_of_one_prediction_decide_a_true_hypothesis_with_its_share_of_the_level(bounds, family, p_values):
    """Also at each step of Holm's procedure, at which fewer predictions share the level."""
    levels = np.array(find_levels([5, 10, 20], bounds, family))[:, None]
    for share in {1, 2, family}:
        if share <= family:
            rate = float((p_values < levels / share).any(0).mean())
            allowed = 0.05 / share
            assert rate <= allowed + 3.5 * np.sqrt(allowed * (1 - allowed) / p_values.shape[1])
            assert share < family or rate >= allowed - 3.5 * np.sqrt(allowed / p_values.shape[1])
