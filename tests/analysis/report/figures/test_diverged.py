"""What a study's figures and tables say about cells in which runs diverged."""

import dataclasses

import numpy as np
import pytest

from dlexp.analysis import analyse
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.figures import SECTIONS
from dlexp.analysis.report.figures.style import drawing
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.speedup import build_ratios
from dlexp.analysis.report.tables import build_results
from dlexp.analysis.report.text import LANGUAGES, Text
from tests.analysis.made import make_study, noisy

EN = Text("en")
DEPTHS = [1, 2, 4]


def is_lost(cell, seed):
    """Elu diverges wherever it can, tanh at two of five seeds."""
    return cell.get("activation") == "elu" and cell.get("depth", 4) > 1 or (cell.get("activation") == "tanh" and seed > 2)


def make(tmp_path, axes, *, lost=is_lost, **study):
    return analyse(
        make_study(
            tmp_path,
            axes,
            accuracy=lambda cell, seed: None if lost(cell, seed) else noisy(cell, seed),
            status=lambda cell, seed: "diverged" if lost(cell, seed) else "done",
            **study,
        )
    )


def draw_figures(result):
    """Name → what was drawn, before it is saved."""
    result = mark_absent(result)
    with drawing():
        return {drawn.name: drawn for _, draw in SECTIONS for drawn in draw(result)}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def find_marks(axes, marker):
    """The points of each drawn line with this marker that has any."""
    return [line.get_xydata() for line in axes.lines if line.get_marker() == marker and len(line.get_xdata())]


def test_lines_mark_on_their_axis_what_all_diverged(tmp_path):
    drawn = draw_figures(make(tmp_path, {"activation": ["relu", "elu", "tanh"], "depth": DEPTHS}))["main"]
    axes = drawn.figure.axes[0]
    assert sorted(tuple(points[0]) for points in find_marks(axes, "X")) == [(2, 0), (4, 0)]
    assert len(find_marks(axes, "x")[0]) == 3  # tanh, at each depth
    assert texts(axes).count("n = 3 of 5") == 3
    assert {"relu", "elu", "tanh", "all runs diverged", "some runs diverged"} == set(legend(drawn.figure))


def test_marks_of_two_lines_at_one_place_do_not_cover_each_other(tmp_path):
    axes = {"activation": ["relu", "elu", "tanh"], "depth": DEPTHS}
    drawn = draw_figures(make(tmp_path, axes, lost=lambda cell, _: cell["activation"] != "relu" and cell["depth"] == 4))["main"]
    places = [tuple(points[0]) for points in find_marks(drawn.figure.axes[0], "X")]
    assert len(set(places)) == 2
    assert {x for x, _ in places} == {4}


def test_a_cell_whose_runs_failed_is_marked_apart_from_one_that_diverged_and_one_not_run(tmp_path):
    def status(cell, seed):
        return {1: "done", 2: "failed" if seed else "diverged", 4: "missing", 8: "diverged"}[cell["depth"]]

    folder = make_study(
        tmp_path, {"depth": [1, 2, 4, 8]}, accuracy=lambda c, s: noisy(c, s) if c["depth"] == 1 else None, status=status
    )
    figure = draw_figures(analyse(folder))["main"].figure
    assert [points[0].tolist() for points in find_marks(figure.axes[0], "X")] == [[8, 0]]
    assert [points[0].tolist() for points in find_marks(figure.axes[0], "d")] == [[2, 0]]
    assert {"all runs diverged", "no run has a result"} <= set(legend(figure))


def test_points_say_it_in_the_row_of_the_cell(tmp_path):
    axes = draw_figures(make(tmp_path, {"activation": ["relu", "elu", "tanh"]}))["main"].figure.axes[0]
    assert sorted(texts(axes)) == ["diverged 5 of 5", "n = 3 of 5"]
    (row,) = [text.get_position()[1] for text in axes.texts if text.get_text() == "diverged 5 of 5"]
    assert axes.get_yticklabels()[int(row)].get_text() == "elu"


def test_heat_maps_and_baselines_say_it(tmp_path):
    lost = {"depth": 2, "optimizer.lr": 0.1}
    result = make(
        tmp_path / "heat",
        {"depth": DEPTHS, "optimizer.lr": [0.1, 0.01, 0.001]},
        cells=[{"optimizer": "sgd"}],
        lost=lambda cell, seed: cell == lost or "optimizer" in cell,
    )
    figure = draw_figures(result)["main"].figure
    assert "–\n×5 of 5" in texts(figure.axes[0])
    assert figure.get_supxlabel() == "sgd: – (diverged 5 of 5)"
    result = make(tmp_path / "line", {"depth": DEPTHS}, cells=[{"optimizer": "sgd"}], lost=lambda cell, _: "optimizer" in cell)
    assert "sgd, diverged 5 of 5" in legend(draw_figures(result)["main"].figure)


@pytest.mark.parametrize("names", [["relu", "elu", "tanh"], ["relu", "elu", "tanh", "selu", "gelu", "silu", "mish", "sigmoid"]])
def test_learning_curves_have_a_cross_where_a_diverged_run_ends(tmp_path, names):
    found = draw_figures(make(tmp_path, {"activation": names}))
    drawn = found.get("learning") or found["learning_train_loss"]
    epochs = [points[:, 0].tolist() for points in find_marks(drawn.figure.axes[0], "x")]
    assert epochs == [[11], [11]]  # elu and tanh; the last loss of a made-up diverged run is nan
    assert "a run diverged" in legend(drawn.figure)
    if len(names) == 3:
        assert {"elu (diverged 5 of 5)", "tanh (diverged 2 of 5)"} <= set(legend(drawn.figure))


def test_a_cell_without_any_number_in_its_curves_is_marked(tmp_path):
    result = make(tmp_path, {"activation": ["relu", "elu"]})
    none = result.curves["activation"].eq("elu") & result.curves["epoch"].gt(0)
    curves = result.curves.assign(**{"train/loss": result.curves["train/loss"].mask(none)})
    figure = draw_figures(dataclasses.replace(result, curves=curves))["learning"].figure
    assert len(find_marks(figure.axes[0], "X")) == 1
    assert {"elu (diverged 5 of 5)", "all runs diverged"} <= set(legend(figure))


def test_panels_of_cells_and_captions_name_them(tmp_path):
    result = make(tmp_path, {"activation": ["relu", "elu", "tanh"]}, probes=True)
    for folder in map(str, result.runs["folder"]):
        if "relu" in folder or "tanh" in folder:
            counts = {"confusion": np.eye(2, dtype=int), "classes": np.array(["cat", "dog"])}
            (result.folder / folder).joinpath("arrays").mkdir()
            np.savez(f"{folder}/arrays/predictions.npz", **counts)
    found = draw_figures(result)
    titles = [axes.get_title("left") for axes in found["dead_units_dead"].figure.axes[:3]]
    assert titles == ["relu", "elu (diverged 5 of 5)", "tanh (diverged 2 of 5)"]
    assert found["confusion"].values["lost"] == ["elu (diverged 5 of 5)"]
    for lang in LANGUAGES:
        assert "elu (diverged 5 of 5)" in Text(lang).caption(found["confusion"].caption, found["confusion"].values)
        assert "relu" not in Text(lang).caption(found["confusion"].caption, found["confusion"].values)


@pytest.mark.parametrize(("count", "scales"), [(12, 0), (13, 1)])
def test_a_confusion_matrix_has_its_numbers_or_a_colour_scale(tmp_path, count, scales):
    result = make(tmp_path, {"activation": ["relu", "gelu"]})
    for folder in map(str, result.runs["folder"]):
        (result.folder / folder).joinpath("arrays").mkdir()
        counts = {"confusion": np.eye(count, dtype=int), "classes": np.array([f"c{i}" for i in range(count)])}
        np.savez(f"{folder}/arrays/predictions.npz", **counts)
    panels = draw_figures(result)["confusion"].figure.axes
    assert len(panels) == 2 + scales
    assert len(texts(panels[0])) == (0 if scales else count**2)


def test_the_table_says_how_many_of_a_cells_runs_count(tmp_path):
    table = build_results(mark_absent(make(tmp_path, {"activation": ["relu", "elu", "tanh"]})), EN)
    columns = [table.head.index(name) for name in ("this study", "n", "diverged")]
    rows = [[row[column] for column in columns] for row in table.rows]
    assert rows[0][1:] == ["5", ""]
    assert rows[1] == ["–", "0 of 5", "5 of 5"]
    assert rows[2][1:] == ["3 of 5", "2 of 5"]


@pytest.mark.parametrize(
    "axes", [{"activation": ["relu", "elu"]}, {"activation": ["relu", "elu"], "batch_size": [16, 64, 256]}]
)
def test_ratios_of_costs_name_cells_without_one(tmp_path, axes):
    result = mark_absent(make(tmp_path, axes, metric="train/seconds", lost=lambda cell, _: cell["activation"] == "elu"))
    assert build_ratios(result, EN) is None  # nothing is left to compare
    result = mark_absent(
        make(
            tmp_path / "some",
            {"activation": ["relu", "tanh", "elu"], **{key: value for key, value in axes.items() if key != "activation"}},
            metric="train/seconds",
            lost=lambda cell, _: cell["activation"] == "elu",
        )
    )
    rows = {row[0]: row[1] for row in build_ratios(result, EN).rows}
    assert {value for name, value in rows.items() if name.startswith("elu")} == {"diverged 5 of 5"}
    axes = draw_figures(result)["speed_up"].figure.axes[0]
    assert "diverged 5 of 5" in texts(axes) or len(find_marks(axes, "X")) == 3


def test_a_study_that_diverged_as_a_whole_is_not_called_unfinished(tmp_path):
    page = make_page(make(tmp_path, {"activation": ["relu", "elu"]}, lost=lambda *_: True), [], EN)
    assert any("No run of this study has a value for test accuracy" in warning for warning in page.warnings)
    assert not any("finished yet" in warning for warning in page.warnings)
    assert "results" in [section.name for section in page.sections]
