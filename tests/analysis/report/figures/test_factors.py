"""The bars of the factors, and the lines of their interactions."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from dlexp.analysis import analyse
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.figures.factors import GREY, MAX_BARS, draw_importance, draw_interactions
from dlexp.analysis.report.figures.style import render
from tests.analysis.made import make_study, noisy

AXES = {"activation": ["relu", "tanh"], "depth": [1, 2, 4]}


def accuracy(cell, seed):
    """An interaction: depth helps ReLU, and harms the other."""
    return 0.5 + (0.05 if cell["activation"] == "relu" else -0.05) * cell["depth"] + 0.02 * noisy(cell, seed)


def study(root, axes=AXES, seeds=range(5), **more):
    return mark_absent(analyse(make_study(root, axes, seeds, **{"accuracy": accuracy} | more)))


def test_a_bar_is_the_share_and_its_line_the_interval(tmp_path):
    result = study(tmp_path)
    (drawn,) = draw_importance(result)
    (axes,) = drawn.figure.axes
    table = result.factors[0].table
    effects = table.iloc[:-2].sort_values("share", ascending=False)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [*(" × ".join(term) for term in effects["term"]), "seeds", "residual"]
    bars = dict(zip(names, axes.containers[0], strict=True))
    widths = [bar.get_width() for bar in bars.values()]
    assert widths == pytest.approx([*100 * effects["share"], *100 * table["share"].iloc[-2:]])
    assert [to_hex(bars[name].get_facecolor()).upper() == GREY for name in names] == [False] * 3 + [True] * 2
    segments = axes.collections[0].get_segments()
    assert np.array([segment[:, 0] for segment in segments]) == pytest.approx(100 * effects[["low", "high"]].to_numpy())
    (marks,) = (line for line in axes.lines if line.get_label() == "expected from noise alone")
    assert marks.get_xdata() == pytest.approx(100 * effects["noise"].to_numpy())
    assert drawn.caption == "importance_figure"
    assert b"PNG" in render(drawn)[0]


def test_few_seeds_have_bars_without_intervals(tmp_path):
    (drawn,) = draw_importance(study(tmp_path, seeds=range(2)))
    assert not drawn.figure.axes[0].collections


def test_of_many_terms_the_largest_are_drawn(tmp_path):
    axes = {**AXES, "norm": ["bn", "gn"], "optimizer": ["sgd", "adam"]}
    (drawn,) = draw_importance(study(tmp_path, axes, range(2), accuracy=noisy))
    widths = [bar.get_width() for bar in drawn.figure.axes[0].containers[0]]
    assert len(widths) == MAX_BARS + 2
    assert widths[:-2] == sorted(widths[:-2], reverse=True)
    assert drawn.caption == "importance_figure_largest"


def test_the_lines_of_an_interaction_are_means_over_the_other_factors(tmp_path):
    result = study(tmp_path, {"norm": ["bn", "gn"], **AXES, "depth": [4, 1, 2]})
    (drawn,) = draw_interactions(result)
    (axes,) = drawn.figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["relu", "tanh"]
    for name, container in zip(texts, axes.containers, strict=True):
        runs = result.runs[result.runs["activation"] == name]
        expected = [100 * runs.loc[runs["depth"] == depth, "test/acc"].mean() for depth in (1, 2, 4)]
        assert container.lines[0].get_ydata() == pytest.approx(expected)
    title = axes.get_legend().get_title().get_text()
    assert title.startswith("activation × depth, ")
    assert title.endswith(" %")


def test_a_missing_pair_is_a_gap(tmp_path):
    def without(cell, seed):
        return None if cell == {"activation": "tanh", "depth": 4} else accuracy(cell, seed)

    (drawn,) = draw_interactions(study(tmp_path, accuracy=without))
    assert np.isnan(drawn.figure.axes[0].containers[1].lines[0].get_ydata()).tolist() == [False, False, True]


@pytest.mark.parametrize("levels", [[None, 0.1, 1], [None, 1, 2], [None, "a"], [True, False], [None, 3]])
def test_a_factor_may_have_null_as_a_level(levels, tmp_path):
    def by_place(cell, seed):
        place = levels.index(cell["grad_clip"])
        return 0.5 + (0.05 if cell["activation"] == "relu" else -0.05) * place + 0.02 * noisy(cell, seed)

    result = study(tmp_path, {"activation": ["relu", "tanh"], "grad_clip": levels}, accuracy=by_place)
    (drawn,) = draw_interactions(result)
    lines = [container.lines[0].get_ydata() for container in drawn.figure.axes[0].containers]
    assert sum(map(len, lines)) == 2 * len(levels)
    means = result.factors[0].average_over_others(("grad_clip", "activation"))
    assert list(dict.fromkeys(means["grad_clip"])) == levels
    assert sorted(np.concatenate(lines)) == pytest.approx(sorted(100 * means["mean"]))


def test_nothing_is_drawn_without_interaction_or_without_factors(tmp_path):
    added = study(tmp_path / "a", accuracy=lambda cell, seed: 0.3 + 0.1 * cell["depth"] + 0.01 * seed)
    assert len(list(draw_importance(added))) == 1
    assert not list(draw_interactions(added))
    alone = study(tmp_path / "b", {"depth": [1, 2]}, accuracy=noisy)
    assert not [*draw_importance(alone), *draw_interactions(alone)]


def test_each_data_set_has_a_panel(tmp_path):
    result = study(tmp_path, {"dataset": ["digits", "moons"], **AXES})
    (bars,), (lines,) = draw_importance(result), draw_interactions(result)
    assert [axes.get_title(loc="left") for axes in bars.figure.axes] == ["digits", "moons"]
    titles = [axes.get_legend().get_title().get_text().split(":")[0] for axes in lines.figure.axes]
    assert titles == ["digits", "moons"]
