"""The figure of each cell against the best of the others, and the critical-difference diagram."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from dlexp.analysis.report.figures.best import GREY, MAX_PANELS, draw_against_best, draw_critical_difference
from dlexp.analysis.report.figures.style import COLOURS, render
from tests.analysis.made import noisy
from tests.analysis.report.test_best import AXES, study

DATASETS = ["digits", "moons", "circles", "spirals", "iris"]


def test_a_row_is_the_interval_against_the_best_of_the_others():
    result = study()
    (drawn,) = draw_against_best(result)
    (axes,) = drawn.figure.axes
    table = result.comparisons[0].table
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [cell["activation"] for cell in table["cell"]]
    assert [to_hex(each.lines[0].get_color()).upper() for each in axes.containers] == [COLOURS[0], GREY]
    segments = np.concatenate([np.array(each.lines[2][0].get_segments())[:, :, 0] for each in axes.containers])
    assert segments == pytest.approx(100 * table[["low", "high"]].to_numpy())
    assert [text.get_text() for text in axes.texts] == ["1–2", "1–2", "3", "rank"]
    assert b"PNG" in render(drawn)[0]


def test_a_cell_with_failed_runs_has_a_row_without_an_interval():
    result = study(status=lambda cell, seed: "diverged" if (cell["activation"], seed) == ("tanh", 0) else "done")
    (drawn,) = draw_against_best(result)
    (axes,) = drawn.figure.axes
    assert "tanh (5 of 6 learned)" in [label.get_text() for label in axes.get_yticklabels()]
    assert sum(len(each.lines[0].get_xdata()) for each in axes.containers) == 2


def test_an_end_that_nothing_bounds_lies_beyond_the_panel():
    def accuracy(cell, seed):
        return 0.5 + 0.05 * cell["depth"] + 0.01 * seed

    result = study({"depth": [1, 2, 4]}, range(5), value=accuracy)
    assert np.isinf(result.comparisons[0].table["low"]).all()
    (drawn,) = draw_against_best(result)
    (axes,) = drawn.figure.axes
    (segments,) = (np.array(each.lines[2][0].get_segments())[:, :, 0] for each in axes.containers)
    assert (segments[:, 0] < axes.get_xlim()[0]).all()
    assert np.isfinite(segments).all()


def test_many_data_sets_are_several_figures_of_few_panels():
    result = study({"dataset": DATASETS, **AXES})
    drawn = list(draw_against_best(result))
    assert [each.name for each in drawn] == ["best", "best_2"]
    assert [len(each.figure.axes) for each in drawn] == [MAX_PANELS, 1]
    assert drawn[1].figure.axes[0].get_title(loc="left") == "iris"


def test_the_diagram_shows_mean_ranks_and_the_cells_that_do_not_differ():
    result = study({"dataset": DATASETS, **AXES})
    (drawn,) = draw_critical_difference(result)
    (axes,) = drawn.figure.axes
    points, *bars, critical = axes.lines
    assert points.get_xdata().tolist() == sorted(points.get_xdata())
    assert sum(points.get_xdata()) == pytest.approx(6)
    assert axes.get_yticklabels()[-1].get_text() == "elu"
    assert len(bars) >= 1
    assert np.ptp(critical.get_xdata()) == pytest.approx(2.344 * np.sqrt(12 / 30), abs=0.001)  # Demšar 2006, table 5
    assert drawn.values["n"] == 5


@pytest.mark.parametrize("axes", [{"dataset": DATASETS, **AXES}, {"dataset": DATASETS[:4], **AXES}, AXES])
def test_no_diagram_without_a_difference_or_without_five_data_sets(axes):
    more = {"value": noisy} if len(axes.get("dataset", [])) == 5 else {}
    assert not list(draw_critical_difference(study(axes, **more)))


def test_nothing_is_drawn_of_too_few_seeds():
    assert not list(draw_against_best(study(seeds=range(3))))
