"""What is read of a run's folder: all that can be, and a sentence on what cannot."""

import json
import os
import warnings

import numpy as np
import pytest

from dlexp.analysis.report.one_run.content import DAMAGED, MAX_LAYERS, read_run_content
from dlexp.analysis.report.one_run.figures import draw_examples
from tests.analysis.made import make_run
from tests.analysis.report.one_run.made_run import classified, make_classification, save_predictions

FIFO = object()  # a pipe, on which an ordinary reader would wait for ever


def test_a_whole_folder_has_no_problems(tmp_path):
    found = read_run_content(make_classification(tmp_path, probes=True))
    assert found.problems == []
    assert (len(found.curve), len(found.probes), found.overrides) == (13, 4, [])
    assert found.slug == "depth=1"
    assert found.config_text.startswith("dataset:")


def test_an_older_run_without_a_sample_has_no_gallery_of_it(tmp_path):
    folder = make_classification(tmp_path)
    save_predictions(folder, {name: array for name, array in classified().items() if not name.startswith("sample")})
    content = read_run_content(folder)
    assert [drawn.name for drawn in draw_examples(content.predictions)] == ["worst"]
    assert content.problems == []


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.yaml", None),
        ("config.yaml", b"a: [1"),
        ("config.yaml", b"\xff"),
        ("config.yaml", b"x" * 200_000),
        ("summary.json", b"[1, 2]"),
        ("summary.json", b'{"id": "'),
        ("metrics.csv", None),
        ("metrics.csv", b"a,b\n1,2\n"),
        ("metrics.csv", b"epoch,train/loss\n1,x\n"),
        ("probes.csv", b"a,b\n1,2\n"),
        ("probes.csv", b"epoch,probe,layer,name,value\n1\n"),
        ("arrays/predictions.npz", None),
        ("arrays/predictions.npz", b"PK\x03\x04"),
        ("arrays/predictions.npz", FIFO),
        ("metrics.csv", FIFO),
    ],
)
def test_a_missing_or_damaged_file_is_named_and_the_rest_is_read(tmp_path, file, content):
    folder = make_classification(tmp_path, probes=True)
    (folder / file).unlink(missing_ok=True)
    if content is FIFO:
        os.mkfifo(folder / file)
    elif content is not None:
        (folder / file).write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_run_content(folder)
    assert len(found.problems) == 1
    assert file in found.problems[0] or content == b"[1, 2]"
    assert str(tmp_path) not in found.problems[0]
    assert len(found.curve) or file == "metrics.csv"
    assert len(found.predictions) or file == "arrays/predictions.npz"
    assert found.config_text or file == "config.yaml"


@pytest.mark.parametrize(
    "changed",
    [
        {"classes": np.array(["a"])},
        {"classes": np.arange(3)},
        {"confusion": np.zeros((3, 2), int)},
        {"confusion": np.full((3, 3), -1)},
        {"confusion": np.zeros((3, 3))},
        {"target": np.full(40, 9)},
        {"target": np.float32(1)},
        {"predicted": np.zeros(3, int)},
        {"p_target": np.zeros(3)},
        {"p_predicted": np.zeros(40, int)},
        {"worst": np.array([99])},
        {"sample": np.array([-1])},
        {"sample": np.array([[1]])},
        {"worst_images": np.zeros((2, 2), np.uint8)},
        {"sample_images": np.zeros((99, 1, 8, 8), np.uint8)},
    ],
    ids=lambda changed: f"{next(iter(changed))}",
)
def test_arrays_that_training_does_not_write_are_named_and_left_out(tmp_path, changed):
    folder = make_classification(tmp_path)
    save_predictions(folder, classified() | changed)
    found = read_run_content(folder)
    assert "predictions.npz is not what training writes" in found.problems[0]
    assert found.predictions == {}


@pytest.mark.parametrize("status", ["advice", {"a": 1}, None, 3])
def test_an_unknown_status_is_named(tmp_path, status):
    folder = make_run(tmp_path / "study", {"depth": 1}, 0)
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"status": status}))
    found = read_run_content(folder)
    assert found.run.status == DAMAGED
    assert "status" in found.problems[0]


def test_of_a_run_without_a_summary_the_typed_settings_are_known(tmp_path):
    folder = make_run(tmp_path / "study", {"depth": 1}, 0, status="interrupted")
    (folder / ".hydra/overrides.yaml").write_text("- depth=1\n- seed=0\n")
    found = read_run_content(folder)
    assert (found.overrides, found.typed) == (None, ["depth=1", "seed=0"])
    assert found.problems == []


def test_measurements_of_too_many_layers_are_left_out(tmp_path):
    folder = make_run(tmp_path / "study", {"depth": 1}, 0)
    rows = [f"1,p,layer {k},n,1" for k in range(MAX_LAYERS + 9)]
    (folder / "probes.csv").write_text("\n".join(["epoch,probe,layer,name,value", *rows]) + "\n")
    found = read_run_content(folder)
    assert len(found.probes) == MAX_LAYERS
    assert str(MAX_LAYERS + 9) in found.problems[0]
