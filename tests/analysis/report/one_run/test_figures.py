import numpy as np
import pandas as pd
import pytest

from dlexp.analysis.report.one_run.figures import (
    draw_confusion,
    draw_examples,
    draw_learning_curve,
    draw_measurements,
    draw_regression,
)
from tests.analysis.report.one_run.made_run import classified, regressed


def curve(losses, **columns):
    epochs = range(len(losses))
    return pd.DataFrame({"epoch": epochs, "train/loss": losses, **columns})


def test_a_learning_curve_has_both_splits_and_the_marked_epoch():
    frame = curve(
        [np.nan, 2.0, 1.0], **{"val/loss": [3.0, 2.0, 1.5], "train/acc": [np.nan, 0.2, 0.4], "val/acc": [0.1, 0.2, 0.3]}
    )
    (drawn,) = draw_learning_curve(frame, ("restored epoch", 1))
    assert len(drawn.figure.axes) == 2
    training, validation, mark = drawn.figure.axes[1].lines
    assert training.get_ydata()[1:].tolist() == [20, 40]
    assert validation.get_ydata().tolist() == pytest.approx([10, 20, 30])
    assert (mark.get_xdata()[0], mark.get_label()) == (1, "restored epoch 1")


@pytest.mark.parametrize("losses", [[], [np.nan], [np.nan, np.nan], [1.0]])
def test_no_empty_panel_is_drawn(losses):
    assert list(draw_learning_curve(curve(losses), None)) == []


@pytest.mark.parametrize(
    ("classes", "names", "panels"),
    [(2, ["confusion"], 2), (6, ["confusion"], 2), (20, ["confusion_counts", "confusion_shares"], 1), (21, ["confusion"], 2)],
)
def test_a_confusion_matrix_is_drawn_by_count_and_by_share(classes, names, panels):
    arrays = classified(classes, 200)
    figures = list(draw_confusion(arrays))
    assert [drawn.name for drawn in figures] == names
    assert len(figures[0].figure.axes) == panels  # of many classes one, and its colour bar
    if classes <= 20:
        written = [text.get_text() for text in figures[0].figure.axes[0].texts]
        assert written == [str(count) for count in arrays["confusion"].ravel()]


def test_too_many_classes_are_not_drawn():
    assert list(draw_confusion({"confusion": np.zeros((2001, 2001), np.int8), "classes": np.zeros(2001, "U1")})) == []


def test_wrong_ordinary_images_have_another_colour():
    sample, worst = draw_examples(classified())
    colours = [text.get_color() for text in sample.figure.axes[0].texts]
    assert len(set(colours)) == 2
    assert {text.get_color() for text in worst.figure.axes[0].texts} == {colours[1]}


@pytest.mark.parametrize("shuffled", [False, True])
def test_only_targets_in_order_are_drawn_over_their_index(shuffled):
    arrays = regressed()
    order = np.random.default_rng(0).permutation(90) if shuffled else np.arange(90)
    figures = [drawn.name for drawn in draw_regression({name: arrays[name][order] for name in ("target", "predicted")})]
    assert figures == (["regression"] if shuffled else ["regression", "series"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_not_finite_are_not_drawn(value):
    arrays = regressed()
    arrays["predicted"][:] = value
    assert list(draw_regression(arrays)) == []


def test_the_lines_of_a_probe_are_its_layers_in_the_same_colours():
    rows = [(e, "grad_flow", f"l{k}.weight", name, k + e) for e in (0, 1) for k in range(9) for name in ("norm", "mean_abs")]
    rows += [(e, "grad_flow", "l0.bias", "norm", e) for e in (0, 1)] + [(0, "dead_units", "l0", "dead", 0.0)]
    frame = pd.DataFrame(rows, columns=["epoch", "probe", "layer", "name", "value"])
    (drawn,) = draw_measurements(frame.assign(mode="train"))
    assert drawn.values["modes"] == ["train"]
    first, second = drawn.figure.axes
    labels = [line.get_label() for line in first.lines]
    assert labels == [f"l{k}" for k in (0, 2, 3, 5, 6, 8)]
    assert [line.get_color().tolist() for line in first.lines] == [line.get_color().tolist() for line in second.lines]
