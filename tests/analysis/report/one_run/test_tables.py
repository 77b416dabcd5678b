import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from dlexp.analysis.report.one_run.tables import build_classes, build_examples, build_pairs
from dlexp.analysis.report.text import Text
from tests.analysis.report.one_run.made_run import classified, regressed

EN = Text("en")


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_recall_precision_and_f1_are_those_of_scikit_learn(classes):
    arrays = classified(classes)
    rows = build_classes(arrays, EN).rows
    precision, recall, f1, counts = precision_recall_fscore_support(arrays["target"], arrays["predicted"])
    assert [row[0] for row in rows] == list(arrays["classes"])
    assert [int(row[1]) for row in rows] == counts.tolist()
    shown = np.array([[float(cell) for cell in row[2:]] for row in rows])
    np.testing.assert_allclose(shown, 100 * np.stack([recall, precision, f1], 1), atol=0.0051)


def test_what_is_undefined_is_a_dash():
    confusion = np.array([[2, 0, 0], [3, 0, 0], [0, 0, 0]], np.int32)
    rows = build_classes({"confusion": confusion, "classes": np.array(["a", "b", "c"])}, EN).rows
    assert rows == [
        ["a", "2", "100.00", "40.00", "57.14"],
        ["b", "3", "0.00", "–", "0.00"],
        ["c", "0", "–", "–", "–"],
    ]


def test_a_table_of_classes_ends_after_200():
    table = build_classes(classified(250), EN)
    assert len(table.rows) == 200
    assert table.note == "… and 50 more classes."


def test_the_most_confused_pairs_come_first():
    confusion = 5 * np.eye(30, dtype=np.int32)
    confusion[3, 4], confusion[8, 1] = 5, 2
    rows = build_pairs({"confusion": confusion, "classes": np.array([f"c{k}" for k in range(30)])}, EN).rows
    assert rows == [["c3", "c4", "5", "50.00"], ["c8", "c1", "2", "28.57"]]
    assert build_pairs(classified(20), EN) is None


def test_examples_of_images_are_pictures_and_others_are_rows():
    assert build_examples(classified(), EN) == []
    ordinary, worst = build_examples(classified(images=False), EN)
    assert [row[0] for row in ordinary.rows][::11] == ["0", "39"]
    assert all(row[1] != row[2] for row in worst.rows)


def test_an_error_that_is_not_finite_is_the_largest():
    arrays = regressed()
    arrays["predicted"][3], arrays["predicted"][5] = np.nan, 9
    _, worst = build_examples(arrays, EN)
    assert [row[0] for row in worst.rows[:2]] == ["3", "5"]
    assert worst.rows[0][2] == "–"
