"""The figure of performance profiles."""

import numpy as np

from dlexp.analysis.report.figures.profiles import MAX_LINES, draw_profiles
from dlexp.analysis.report.figures.style import render
from tests.analysis.report.test_best import AXES, study


def test_a_line_is_the_share_of_runs_above_each_score():
    result = study(status=lambda cell, seed: "diverged" if (cell["activation"], seed) == ("tanh", 0) else "done")
    (drawn,) = draw_profiles(result)
    (axes,) = drawn.figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["relu", "tanh", "elu"]
    starts = [line.get_ydata()[0] for line in axes.lines]
    assert np.allclose(starts, [100, 500 / 6, 100])  # a run that failed is above no score
    for line, scores in zip(axes.lines, result.comparisons[0].scores, strict=True):
        expected = [(100 * scores > threshold).mean() for threshold in line.get_xdata()]
        assert np.allclose(line.get_ydata(), 100 * np.array(expected), atol=1e-6)
    assert drawn.caption == "profiles"
    assert b"PNG" in render(drawn)[0]


def test_of_many_cells_some_are_drawn():
    (drawn,) = draw_profiles(study({"width": list(range(1, 9))}, value=lambda cell, seed: 0.5 + 0.01 * cell["width"] * seed))
    assert len(drawn.figure.axes[0].lines) == MAX_LINES
    assert drawn.caption == "profiles_cut"


def test_data_sets_share_colours_and_have_a_panel_over_all():
    (drawn,) = draw_profiles(study({"dataset": ["digits", "moons"], **AXES}))
    assert [axes.get_title(loc="left") for axes in drawn.figure.axes] == ["digits", "moons", "over 2 data sets"]
    colours = [
        {text.get_text(): line.get_color() for text, line in zip(axes.get_legend().get_texts(), axes.lines, strict=True)}
        for axes in drawn.figure.axes
    ]
    assert colours[0] == colours[1] == colours[2]


def test_nothing_is_drawn_of_too_few_seeds():
    assert not list(draw_profiles(study(seeds=range(3))))
