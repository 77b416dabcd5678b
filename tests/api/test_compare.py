import math

import numpy as np
import pytest
from scipy import stats

from dlexp.api.compare import compare
from dlexp.api.run import Run, load_run
from dlexp.errors import ConfigError
from tests.analysis.made import make_study


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of two activations with four seeds each."""
    root = tmp_path_factory.mktemp("outputs")
    make_study(root, {"activation": ["relu", "tanh"]}, range(4))
    found = [Run(path.parent) for path in sorted(root.rglob("summary.json"))]
    return {name: [run for run in found if run.summary["choices"]["activation"] == name] for name in ("relu", "tanh")}


def column(runs, name="test/acc"):
    return [run.summary["metrics"][name] for run in sorted(runs, key=lambda run: run.config["seed"])]


def test_two_groups_with_the_same_seeds_are_compared_seed_by_seed(runs):
    compared = compare(runs["relu"], runs["tanh"])
    row = compared.metrics.set_index("metric").loc["test/acc"]
    differences = np.subtract(column(runs["tanh"]), column(runs["relu"]))
    interval = stats.t.interval(0.95, 3, differences.mean(), stats.sem(differences))
    assert compared.paired
    assert row[["a", "b"]].tolist() == pytest.approx([np.mean(column(runs["relu"])), np.mean(column(runs["tanh"]))])
    assert row[["difference", "low", "high"]].tolist() == pytest.approx([differences.mean(), *interval])
    assert row["n"] == 4
    assert compared.settings.to_dict("records") == [{"key": "activation", "a": "relu", "b": "tanh"}]
    assert "a: 4 runs, b: 4 runs, compared seed by seed" in repr(compared)
    page = compared._repr_html_()
    assert "<td>activation</td><td>relu</td><td>tanh</td>" in page
    assert f"<td>test/acc</td><td>{100 * row['a']:.2f} %</td>" in page
    assert f"<td>{100 * row['difference']:+.2f} points</td><td>{100 * row['low']:+.2f} points</td>" in page
    assert "points</td><td>4</td></tr>" in page


def test_groups_with_other_seeds_are_compared_as_independent(runs):
    compared = compare(runs["relu"][:2], runs["tanh"][1:])
    row = compared.metrics.set_index("metric").loc["test/acc"]
    left, right = column(runs["relu"][:2]), column(runs["tanh"][1:])
    expected = stats.ttest_ind(right, left, equal_var=False).confidence_interval()
    assert not compared.paired
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_two_runs_have_no_interval(runs):
    one, other = runs["relu"][0], runs["tanh"][0]
    compared = compare(one.folder, other)
    row = compared.metrics.set_index("metric").loc["test/acc"]
    assert row["difference"] == pytest.approx(column([other])[0] - column([one])[0])
    assert math.isnan(row["low"])
    assert compared.sizes == (1, 1)
    same = compare(one, load_run(one.id, outputs=one.folder.parent))
    assert len(same.settings) == 0
    assert "The settings are the same." in repr(same)
    assert "The settings are the same." in same._repr_html_()


def test_a_side_without_a_finished_run_is_refused(runs, tmp_path):
    with pytest.raises(ConfigError, match="b: expected at least one finished run, got 0"):
        compare(runs["relu"], [])


def test_runs_on_several_draws_of_the_data_are_compared_draw_by_draw(tmp_path):
    make_study(tmp_path, {"activation": ["relu", "tanh"]}, range(3), data_seeds=range(4), accuracy=lambda cell, of: (
        0.5 + 0.1 * of[0] + 0.01 * of[1] + (0.02 + 0.003 * of[0]) * (cell["activation"] == "tanh")
    ))  # fmt: skip
    found = [Run(path.parent) for path in sorted(tmp_path.rglob("summary.json"))]
    sides = [[run for run in found if run.summary["choices"]["activation"] == name] for name in ("relu", "tanh")]
    compared = compare(*sides)
    row = compared.metrics.set_index("metric").loc["test/acc"]
    interval = stats.ttest_1samp([0.02, 0.023, 0.026, 0.029], 0).confidence_interval()
    assert (compared.paired, compared.by_draw, row["n"]) == (True, True, 4)
    assert row[["low", "high"]].tolist() == pytest.approx([*interval])
    assert "compared draw by draw" in repr(compared)
    fewer = compare(sides[0], [run for run in sides[1] if run.config["data_seed"] > 0])
    assert not fewer.paired
    assert "as independent groups of draws of the data" in repr(fewer)
