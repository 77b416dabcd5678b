"""The figures of made-up studies: which are drawn, that they are not empty, and their labels."""

import io
import json

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from dlexp.analysis import analyse
from dlexp.analysis.report.arrange import cell_names, mark_absent
from dlexp.analysis.report.figures import draw
from dlexp.analysis.report.figures.probes import draw_weight_norms
from dlexp.analysis.report.figures.style import thin
from dlexp.analysis.report.labels import metric_label, show
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import LANGUAGES, Text
from dlexp.analysis.report.write import render_markdown
from tests.analysis.made import identity, make_run, make_study, noisy

LR = {"optimizer.lr": [0.1, 0.01, 0.001]}


def pictures(folder):
    return {picture.name: picture for picture in draw(analyse(folder))}


def is_drawn(png):
    """Whether a picture has more than a background: several colours, on more than one pixel in a hundred."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    return len(image.getcolors(2**24)) > 8 and (np.asarray(image).min(2) < 200).mean() > 0.01


@pytest.mark.parametrize(
    ("axes", "caption"),
    [
        ({"activation": ["relu", "tanh"], "depth": [1, 2, 8]}, "main_lines"),
        ({"optimizer": ["sgd", "adam"]}, "main_points"),
        ({"depth": [1, 2, 3], "optimizer.lr": [0.1, 0.01, 0.001]}, "main_heat"),
        ({"activation": ["relu", "tanh", "elu", "selu"], "norm": ["bn", "gn"], "depth": [1, 2, 3]}, "main_heat"),
    ],
)
def test_the_main_figure_suits_the_axes(tmp_path, axes, caption):
    main = next(draw(analyse(make_study(tmp_path, axes, range(2)))))
    assert main.name == "main"
    assert main.caption == caption
    assert is_drawn(main.png)


@pytest.mark.parametrize(
    "axes", [{"depth": [1, 2, 8]}, {"optimizer": ["sgd", "adam"]}, {"depth": [1, 2, 3], "optimizer.lr": [0.1, 1.0, 3.0]}]
)
@pytest.mark.parametrize("reference", [None, 0.5])
def test_a_cell_with_a_diverged_run_is_drawn(tmp_path, axes, reference):
    def status(cell, seed):
        return "diverged" if seed else "done"

    published = {"values": [{key: values[0] for key, values in axes.items()} | {"value": reference, "n": 1}]}
    study = {"reference": published} if reference else {}
    main = next(draw(analyse(make_study(tmp_path, axes, range(2), status=status, **study))))
    heat = "optimizer.lr" in axes
    assert main.caption.endswith("_diverged") == heat  # the others have a legend
    assert ("×1" if heat else "some runs diverged").encode() in main.svg
    assert is_drawn(main.png)


def test_a_study_of_learning_rates_compares_them(tmp_path):
    found = pictures(make_study(tmp_path, LR, range(2)))
    assert {"main", "learning", "lr_01"} <= found.keys()
    assert all(is_drawn(picture.png) for picture in found.values())


def test_measurements_of_probes_are_drawn(tmp_path):
    found = pictures(make_study(tmp_path, {"activation": ["relu", "tanh"]}, range(2), probes=True))
    assert found["dead_units_dead"].section == "inside"
    assert is_drawn(found["dead_units_dead"].png)
    assert (
        Text("en")
        .caption(found["dead_units_dead"].caption, found["dead_units_dead"].values)
        .endswith("Measured in train mode: batch norm uses the statistics of the batch.")
    )


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", ["", "run_"])
@pytest.mark.parametrize("caption", ["layer_shares", "activation_histograms", "grad_flow"])
def test_the_caption_of_what_a_probe_measured_names_each_mode(caption, kind, lang):
    text = Text(lang)
    values = {"what": "dead", "seed": 0, "modes": ["train", "eval"]}
    assert text.caption(kind + caption, values).endswith(f"{text('measured_in_train')} {text('measured_in_eval')}")


def write_weights(run, layers):
    """Write probes.csv of weight_stats: norms that grow with the epoch; those of a bias are not drawn."""
    rows = [f"{epoch},weight_stats,{layer},norm,{2 + i + epoch / 4}" for epoch in (0, 6, 12) for i, layer in enumerate(layers)]
    (run / "probes.csv").write_text("\n".join(["epoch,probe,layer,name,value", *rows]) + "\n")


@pytest.mark.parametrize(
    ("blocks", "shown"),
    [(2, ["block 1 linear", "block 2 linear", "head"]), (9, [*(f"block {n} linear" for n in (1, 3, 5, 6, 8)), "head"])],
)
def test_the_norm_of_each_weight_is_drawn_over_the_epochs(tmp_path, blocks, shown):
    folder = make_study(tmp_path, {"activation": ["relu", "tanh"]}, range(2))
    paths = [f"blocks.{n}.linear" for n in range(blocks)] + ["head"]
    for run in folder.glob("*-*"):
        write_weights(run, [f"{path}.{kind}" for path in paths for kind in ("weight", "bias")])
    result = mark_absent(analyse(folder))
    (drawn,) = draw_weight_norms(result)
    for axes in drawn.figure.axes:
        assert [line.get_label() for line in axes.lines] == shown
        assert axes.lines[0].get_xydata().tolist() == [[0, 2], [6, 3.5], [12, 5]]
    picture = pictures(folder)["weight_norms"]
    assert picture.section == "inside"
    assert is_drawn(picture.png)


def test_arrays_of_single_runs_are_drawn(tmp_path):
    folder = make_study(tmp_path, {"activation": ["relu"]}, range(1))
    for run in folder.glob("*-*"):
        write_arrays(run / "arrays")
    found = pictures(folder)
    assert {"confusion", "worst_errors_1", "decision_boundary", "activation_histograms"} <= found.keys()
    assert all(is_drawn(picture.png) for picture in found.values())


def write_arrays(folder):
    """Write the arrays of a run: predictions of three classes, a decision boundary, histograms at two epochs."""
    drawn = np.random.default_rng(0)
    folder.mkdir()
    target, predicted = drawn.integers(0, 3, (2, 60)).astype(np.uint8)
    confusion = np.zeros((3, 3), np.int32)
    np.add.at(confusion, (target, predicted), 1)
    worst = (target != predicted).nonzero()[0][:25].astype(np.int32)
    images = drawn.integers(0, 255, (len(worst), 1, 8, 8), dtype=np.uint8)
    probabilities = {name: drawn.random(60).astype(np.float16) for name in ("p_target", "p_predicted")}
    answers = {"target": target, "predicted": predicted, "confusion": confusion, "worst": worst, "worst_images": images}
    np.savez(folder / "predictions.npz", classes=np.array(["cat", "<b>", "$x$"]), **answers, **probabilities)
    x = np.linspace(-2, 2, 20, dtype=np.float32)
    plane = (1 / (1 + np.exp(-3 * x[:, None] * x))).astype(np.float16)
    points = {"points": drawn.normal(size=(30, 2)), "targets": drawn.integers(0, 2, 30).astype(np.uint8)}
    np.savez(folder / "decision_boundary-12.npz", probability=plane, x=x, y=x, **points)
    for epoch in (0, 12):
        density = drawn.random(50).astype(np.float32)
        layers = {"blocks.0.act/density": density, "blocks.0.act/edges": np.linspace(0, 1, 51)}
        np.savez(folder / f"activation_stats-{epoch}.npz", **layers)


def test_a_damaged_array_is_named_and_left_out(tmp_path):
    folder = make_study(tmp_path, {"activation": ["relu", "tanh"]}, range(1))
    for run in folder.glob("*-*"):
        (run / "arrays").mkdir()
        (run / "arrays" / "predictions.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.warns(UserWarning, match="predictions.npz is damaged"):
        assert "confusion" not in pictures(folder)


def test_null_is_not_absent(tmp_path):
    cells = [{"optimizer": "sgd", "grad_clip": None}, {"optimizer": "sgd", "grad_clip": 1}, {"loss": "mse"}]
    runs = [{"id": identity(cell, 0), "cell": cell, "seed": 0} for cell in cells]
    folder = make_study(tmp_path, {"optimizer": ["sgd"]}, [9])
    protocol = folder / "protocol.json"
    content = json.loads(protocol.read_text())
    content["study"] |= {"axes": {}, "cells": cells}
    protocol.write_text(json.dumps(content | {"runs": runs}))
    for cell in cells:
        make_run(folder, cell, 0, accuracy=noisy(cell, 0))
    result = mark_absent(analyse(folder))
    assert cell_names(result) == ["sgd, grad_clip=null", "sgd, grad_clip=1", "mse"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01, "0.01"),
        (8.0, "8"),
        (True, "true"),
        (None, "null"),
        ([256, 128], "[256, 128]"),
        ({"a": None}, "{a: null}"),
        ("x", "x"),
    ],
)
def test_values_are_shown_as_they_are_typed(value, text):
    assert show(value) == text


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("test/acc", "test accuracy (%)"),
        ("val/loss", "validation loss"),
        ("train/grad_norm", "gradient norm"),
        ("best/val/acc", "best validation accuracy (%)"),
    ],
)
def test_metrics_have_their_units(metric, label):
    assert metric_label(metric) == label


BASELINES = {  # axes, cells beside them
    "a numeric axis": ({"dropout": [0.1, 0.2, 0.3]}, [{"arm": "plain"}]),
    "a baseline with a setting of its own": ({"dropout": [0.1, 0.2, 0.3]}, [{"arm": "wild", "optimizer.lr": 1.0}]),
    "two baselines": ({"dropout": [0.1, 0.2, 0.3]}, [{"arm": "plain"}, {"arm": "wide", "width": 64}]),
    "learning rates": ({"optimizer.lr": [0.1, 0.01, 0.001]}, [{"optimizer": "sgd"}]),
    "two numeric axes": ({"dropout": [0.1, 0.2, 0.3], "depth": [1, 2, 3]}, [{"arm": "plain"}]),
    "lines and a baseline": ({"activation": ["relu", "tanh"], "depth": [1, 2, 8]}, [{"norm": "bn"}]),
    "a baseline that shares a key": (
        {"activation": ["relu", "tanh"], "depth": [1, 2, 8]},
        [{"activation": "relu", "norm": "bn"}],
    ),
    "options": ({"norm": ["bn", "gn"]}, [{"arm": "plain"}]),
    "in panels": ({"dataset": ["moons", "digits"], "depth": [1, 2, 8]}, [{"dataset": "moons"}, {"dataset": "digits"}]),
    "in one of the panels": ({"dataset": ["moons", "digits"], "depth": [1, 2, 8]}, [{"dataset": "moons", "arm": "plain"}]),
}


@pytest.mark.parametrize("wild", [False, True], ids=["", "the baseline diverges"])
@pytest.mark.parametrize(("axes", "cells"), BASELINES.values(), ids=BASELINES.keys())
def test_a_baseline_without_the_swept_key_is_in_the_report(tmp_path, axes, cells, wild):
    def status(cell, seed):
        return "diverged" if wild and cell in cells else "done"

    def accuracy(cell, seed):
        return None if wild and cell in cells else noisy(cell, seed)

    result = analyse(make_study(tmp_path, axes, range(2), cells=cells, status=status, accuracy=accuracy))
    assert len(result.cells) == np.prod([len(values) for values in axes.values()]) + len(cells)
    main = next(draw(result))
    assert is_drawn(main.png)
    drawn = [str(next(reversed(cell.values()))) for cell in cells if "arm" not in cell] + [
        cell["arm"] for cell in cells if "arm" in cell
    ]
    page = render_markdown(make_page(result, [], Text("en")))
    assert all(name in page for name in drawn)
    if main.caption == "main_lines" and "dataset" not in axes and not wild:
        assert all(name.encode() in main.svg for name in drawn)


def test_a_baseline_has_its_speed(tmp_path):
    axes, cells = BASELINES["a numeric axis"]
    assert is_drawn(pictures(make_study(tmp_path, axes, range(2), cells=cells, metric="train/seconds"))["main"].png)


ODD_SETTINGS = {"axes.facecolor": "red", "lines.linewidth": 12, "savefig.bbox": "tight", "text.usetex": True, "font.size": 30}


def test_the_settings_of_the_user_change_no_figure(tmp_path):
    """matplotlib reads them from matplotlibrc when it is imported."""
    result = analyse(make_study(tmp_path, {"activation": ["relu", "tanh"]}, range(2), probes=True))
    plain = [(picture.name, picture.png, picture.svg) for picture in draw(result)]
    with matplotlib.rc_context():
        matplotlib.rcParams.update(ODD_SETTINGS)
        odd = [(picture.name, picture.png, picture.svg) for picture in draw(result)]
        assert matplotlib.rcParams["lines.linewidth"] == 12  # and they are there again
    assert odd == plain
    assert len(plain) > 2


def test_a_hundred_thousand_points_and_many_epochs_make_small_figures(tmp_path):
    folder = make_study(tmp_path, {"activation": ["relu", "tanh"]}, range(1))
    generator = np.random.default_rng(0)
    points = generator.normal(size=(100_000, 2)).astype(np.float32)
    grid = np.linspace(-1, 1, 50)
    plane = {"x": grid, "y": grid, "probability": np.tile(grid / 2 + 0.5, (50, 1)), "points": points}
    epochs = np.arange(20_000)
    noise = generator.uniform(0.5, 1, (4, 20_000))
    columns = dict(zip(("train/loss", "val/loss", "train/acc", "val/acc"), noise, strict=True))
    for run in folder.glob("*/config.yaml"):
        (run.parent / "arrays").mkdir()
        np.savez(run.parent / "arrays/decision_boundary-1.npz", **plane, targets=(points[:, 0] > 0).astype(np.uint8))
        pd.DataFrame({"epoch": epochs} | columns).to_csv(run.parent / "metrics.csv", index=False)
    found = pictures(folder)
    assert {"decision_boundary", "learning"} <= found.keys()
    for picture in found.values():
        assert len(picture.svg) < 1_500_000, picture.name
        assert len(picture.png) < 500_000, picture.name
        assert is_drawn(picture.png)


@pytest.mark.parametrize("length", [5, 2000, 2001, 99_999])
def test_a_long_line_keeps_its_ends_and_its_extremes(length):
    values = np.sin(np.arange(length))
    values[length // 2], values[-1], values[0] = 9, np.nan, np.nan
    places = thin(values)
    assert len(places) <= 2002
    assert (places[0], places[-1]) == (0, length - 1)
    assert np.nanmax(values[places]) == 9
    assert np.nanmin(values[places]) == np.nanmin(values)


def test_names_of_cells_do_not_press_a_figure_together(tmp_path):
    names = [f"{'a_very_long_folder_' * 10}{i}" for i in range(3)]
    for axes in ({"arm": names}, {"arm": names, "depth": [1, 2, 4]}, {"arm": [*names, *"abcdefgh"], "depth": [1, 2]}):
        folder = make_study(
            tmp_path / str(len(axes) + len(axes["arm"])), {key: [*values] for key, values in axes.items()}, range(2)
        )
        main = next(draw(analyse(folder)))
        assert main.inches < 16
        assert is_drawn(main.png)
