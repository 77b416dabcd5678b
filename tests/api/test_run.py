"""What a run gives back to Python, also one that has not ended, or whose files are damaged."""

import shutil

import pytest

import dlexp
from dlexp.api.run import Run, load_run
from dlexp.errors import ConfigError
from tests.runs import edit_summary

TINY = {"dataset": "moons", "dataset.num_examples": 60, "model": "mlp", "epochs": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return dlexp.train(**TINY, probe=["weight_stats"], output_dir=tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the run that a test may damage."""
    return Run(shutil.copytree(run.folder, tmp_path / run.folder.name))


def test_a_run_gives_what_its_folder_holds(run):
    assert run.config["model"]["depth"] == 3
    assert run.summary["metrics"]["test/acc"] > 0.4
    assert run.metrics["epoch"].tolist() == [0, 1, 2]
    assert set(run.metrics.columns) >= {"train/loss", "val/acc", "seconds"}
    assert list(run.probes.columns) == ["epoch", "probe", "mode", "layer", "name", "value"]
    assert len(run.probes) > 3
    assert run.dataset().test.inputs.shape == (18, 2)
    assert not run.model().training
    assert repr(run) == f"Run({str(run.folder)!r}, status='done')"
    assert "data:image/png;base64," in run._repr_html_()


def test_a_run_is_found_by_its_id_its_name_and_its_path(run):
    outputs = run.folder.parents[1]
    for given in (run.id, run.id[:6], run.folder.name, run.folder, str(run.folder)):
        assert load_run(given, outputs=outputs).folder.samefile(run.folder)
    with pytest.raises(ConfigError, match="no run below"):
        load_run("0123456789ab", outputs=outputs)


def test_a_run_predicts_and_has_a_page(run):
    predicted = run.predict(run.dataset().test.inputs)
    assert list(predicted.columns) == ["input", "class", "probability"]
    assert len(predicted) == 18
    assert run.report().read_text().startswith("<!DOCTYPE html>")


def test_a_run_that_has_not_begun_an_epoch_has_empty_tables(copy):
    for name in ("summary.json", "metrics.csv", "probes.csv"):
        (copy.folder / name).unlink()
    assert (copy.status, copy.summary) == ("interrupted", {})
    assert (len(copy.metrics), list(copy.metrics.columns)) == (0, ["epoch", "step", "lr"])
    assert (len(copy.probes), list(copy.probes.columns)) == (0, ["epoch", "probe", "mode", "layer", "name", "value"])
    assert copy._repr_html_() == f"<div>{copy.folder.name}</div><div>interrupted</div>"
    with pytest.raises(ConfigError, match="not finished"):
        copy.model()


@pytest.mark.parametrize(("name", "read"), [("summary.json", "summary"), ("config.yaml", "config")])
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_named(copy, name, read, content):
    (copy.folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name.replace(".", "[.]")):
        getattr(copy, read)


def test_text_from_a_folder_is_escaped(copy):
    edit_summary(copy.folder, lambda summary: summary.update(reason="<script><b>"))
    page = copy._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page
