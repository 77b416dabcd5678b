"""Names of classes in figures: they fit, they stay different, and they do not lie across each other."""

import numpy as np
import pytest

from dlexp.analysis.report.figures.names import fit_names, measure
from dlexp.analysis.report.figures.predictions import draw_gallery, label_images
from dlexp.analysis.report.figures.style import drawing
from dlexp.analysis.report.one_run.figures import draw_confusion, draw_examples
from tests.analysis.report.one_run.made_run import classified

BIRD = "Animalia_Chordata_Aves_Passeriformes_Paradoxornithidae_Suthora_webbiana"
NAMES = {
    "short": ["cat", "dog", "7"],
    "long": [f"{i:05d}_{BIRD}_{i}" for i in range(10)],
    "equal at both ends": [f"class number {i} of one hundred" for i in range(20)],
    "equal in their first letters": [
        "Tomato___Tomato_Yellow_Leaf_Curl_Virus",
        "Tomato___Tomato_mosaic_virus",
        "Tomato___healthy",
    ],
    "wide": [f"{'W' * 60}{i}{'W' * 60}" for i in range(5)],
    "different in length alone": ["a" * length for length in range(60, 70)],
    "not printable": ["a\nb", "a\x1bb", "x" * 100 + "\n" + "y" * 100],
    "very long": ["x" * 9000 + "1" + "x" * 9000, "x" * 9000 + "2" + "x" * 9000],
    "many numbers": [str(i + 20) for i in range(25)],
    "a hundred": [f"{BIRD}_{i}" for i in range(100)],
}


@pytest.fixture(autouse=True)
def style():
    with drawing():
        yield


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("inches", [0.9, 1.5])
def test_names_fit_and_stay_different(names, inches):
    fitting = fit_names(names, inches)
    assert max(map(measure, fitting)) <= inches
    assert len(set(fitting)) == len(set(names)) or "\x1b" in "".join(names)
    assert all(name.isprintable() for name in fitting)


def boxes(figure, texts):
    renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else None
    return [text.get_window_extent(renderer) for text in texts if text.get_text()]


def overlaps(one, other):
    return min(one.x1, other.x1) - max(one.x0, other.x0) > 1 and min(one.y1, other.y1) - max(one.y0, other.y0) > 1


def drawn(figure):
    """The figure after its layout, as it is saved."""
    figure.set_dpi(150)
    figure.savefig("/dev/null", format="png", dpi=150)
    return figure


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_no_name_of_a_confusion_matrix_lies_across_another(names):
    for figure in (drawn(item.figure) for item in draw_confusion(classified(len(names), 400, names=names))):
        width, height = figure.canvas.get_width_height()
        for axes in figure.axes[:2]:
            if axes.get_ylabel() != "true class":
                continue  # the colour bar
            rows = boxes(figure, axes.get_yticklabels())
            labels = [axes.xaxis.label.get_window_extent(), axes.yaxis.label.get_window_extent()]
            assert len(rows) >= min(len(names), 10)
            assert not any(overlaps(one, other) for i, one in enumerate(rows) for other in [*rows[:i], *labels])
            assert all(
                box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1 for box in [*rows, *labels]
            )
            assert axes.get_window_extent().width > 150


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_no_name_of_a_gallery_lies_across_another(names):
    for item in draw_examples(classified(len(names), 400, names=names)):
        figure = drawn(item.figure)
        found = boxes(figure, figure.axes[0].texts)
        assert len(found) > 5
        assert not any(overlaps(one, other) for i, one in enumerate(found) for other in found[:i])


def test_a_picture_is_not_labelled_as_the_class_it_was_taken_for():
    names = NAMES["equal in their first letters"]
    arrays = {"worst": np.arange(2), "classes": np.array(names), "target": np.zeros(2, int), "predicted": np.ones(2, int)}
    (label, _) = label_images(arrays | {"p_predicted": np.full(2, 0.97, np.float16)}, "worst")
    true, predicted, share = label.split("\n")
    assert predicted.removeprefix("→ ") != true
    assert share == "(97 %)"
    assert draw_gallery(np.zeros((2, 3, 4, 4)), [label, label])
