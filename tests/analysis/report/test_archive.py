"""An archive holds all that a report needs, and the report that is made of it alone is the same."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from dlexp.analysis import analyse
from dlexp.analysis.read.tables import TABLES
from dlexp.analysis.report.archive import archive_report
from dlexp.analysis.report.figures.arrays import load_cell_arrays
from dlexp.analysis.report.replace import LessKnownError
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import build_report
from dlexp.commands.report import main
from dlexp.commands.verify import main as verify
from dlexp.errors import ConfigError
from dlexp.run.record.registrations import REGISTRATIONS, hash_study
from dlexp.study.sharing import write_json
from tests.analysis.made import make_study

AXES = {"activation": ["relu", "tanh"]}
PREDICTIONS = [
    {"claim": "ReLU wins", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"},
]


def add_arrays(run):
    """Predictions of ten test images, two of which are shown."""
    (run / "arrays").mkdir()
    images, labels = np.zeros((2, 1, 8, 8), np.uint8), np.array([0, 1] * 5, np.uint8)
    worst = {"worst": np.array([0, 1]), "worst_images": images, "sample": np.array([2]), "sample_images": images[:1]}
    scores = {"p_target": np.full(10, 0.2, np.float16), "p_predicted": np.full(10, 0.8, np.float16)}
    known = {
        "target": labels,
        "predicted": 1 - labels,
        "classes": np.array(["a", "b"]),
        "confusion": np.array([[0, 5], [5, 0]]),
    }
    np.savez_compressed(run / "arrays" / "predictions.npz", **known, **worst, **scores)


def register_made(study):
    """A registration from before the runs of a made-up study."""
    registered = {"hash": hash_study(study, []), "date": "2025-01-01T00:00:00+00:00", "git_commit": None, "begun": 0}
    return registered | {"study": study, "changes": []}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of twelve runs with probes and predictions, and its archive."""
    root = tmp_path_factory.mktemp("made")
    folder = make_study(root / "outputs", AXES, range(6), probes=True, predictions=PREDICTIONS)
    for run in folder.glob("activation=*"):
        add_arrays(run)
    archive_report(folder, root / "archive")
    return folder, root / "archive"


@pytest.fixture
def archive(made, tmp_path):
    return shutil.copytree(made[1], tmp_path / "archive")


def read_figures(folder):
    return {path.name: path.read_bytes() for path in (folder / "figures").glob("*.png")}


def assert_alike(figures, others):
    """The same figures, but for the rounding of their numbers to six digits, which moves a line by less than a pixel."""
    assert set(figures) == set(others)
    for name, content in figures.items():
        one, other = (np.asarray(Image.open(io.BytesIO(png)).convert("L"), float) for png in (content, others[name]))
        assert one.shape == other.shape
        assert np.abs(one - other).mean() < 0.1, name


def test_a_report_from_the_archive_is_that_from_the_runs(made, archive, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "made_up")
    build_report(folder)
    assert_alike(read_figures(archive), read_figures(folder))
    assert {"learning.png", "confusion.png", "worst_errors_1.png"} <= set(read_figures(archive))
    archived, original = ((place / "report.md").read_text() for place in (archive, folder))
    text = Text("en")
    assert text("from_tables", epochs=100).split(".")[0] in archived
    assert text("made_by_table") in archived
    assert text("made_by_table") not in original
    one, other = analyse(archive), analyse(folder)
    assert one.verdicts == other.verdicts
    assert (one.from_tables, other.from_tables) == (True, False)
    assert one.cells.to_csv() == other.cells.to_csv()
    assert (archive / "best.csv").read_text() == (folder / "best.csv").read_text()  # the page refers to it
    before = (archive / "report.md").read_text(), read_figures(archive)
    build_report(archive)
    assert ((archive / "report.md").read_text(), read_figures(archive)) == before


def test_an_archive_has_the_arrays_that_figures_show(archive):
    arrays = sorted(path.name for path in (archive / TABLES).glob("*.npz"))
    runs = analyse(archive).runs
    first = runs[runs["seed"] == 0]["id"]
    assert arrays == sorted(f"{identity}-predictions.npz" for identity in first)
    assert not [path for path in archive.rglob("*") if path.suffix in (".html", ".svg")]


def test_verify_knows_the_files_of_an_archive(archive, capsys):
    assert verify([str(archive)]) == 0
    path = next((archive / TABLES).glob("*.npz"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert verify([str(archive)]) == 1
    assert path.name in capsys.readouterr().out
    with pytest.warns(UserWarning, match=path.name):
        assert len(load_cell_arrays(analyse(archive), "predictions")) == 1


def test_an_archive_that_knows_more_is_not_replaced(made, archive, tmp_path, monkeypatch):
    folder = shutil.copytree(made[0], tmp_path / "made_up")
    shutil.rmtree(next(folder.glob("activation=*")))
    before = {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()}
    with pytest.raises(LessKnownError, match="1 runs"):
        archive_report(folder, archive)
    assert {path: path.read_bytes() for path in archive.rglob("*") if path.is_file()} == before
    (archive / TABLES / "curves-9.csv.gz").write_bytes(b"old")
    monkeypatch.setattr("dlexp.analysis.report.archive.MAX_PART_BYTES", 1000)
    archive_report(folder, archive, replace=True)
    assert (analyse(archive).runs["status"] == "missing").sum() == 1
    assert not (archive / TABLES / "curves-9.csv.gz").exists()
    assert [path.name for path in archive.glob("runs.csv*")] == ["runs.csv.gz"]


def test_registrations_are_archived_and_none_is_lost(made, archive, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "made_up")
    study = json.loads((folder / "protocol.json").read_text())["study"]
    first, second = register_made(study), register_made({**study, "seeds": [0]})
    write_json(folder / REGISTRATIONS, {"registrations": [first, second]})
    archive_report(folder, archive)
    assert (archive / REGISTRATIONS).read_bytes() == (folder / REGISTRATIONS).read_bytes()
    assert analyse(archive).registration == analyse(folder).registration
    assert "before its first run" in (archive / "report.md").read_text()
    before = (archive / REGISTRATIONS).read_bytes()
    write_json(folder / REGISTRATIONS, {"registrations": [first]})
    with pytest.raises(LessKnownError, match="has 1 registrations that .* lacks"):
        archive_report(folder, archive)
    (folder / REGISTRATIONS).write_text("{")
    with pytest.raises(ConfigError, match="registrations.json: it is not JSON.* Put a copy of it"):
        archive_report(folder, archive)
    (folder / REGISTRATIONS).unlink()
    archive_report(folder, archive)
    assert (archive / REGISTRATIONS).read_bytes() == before


def test_an_archive_is_made_of_runs_and_elsewhere(made, archive):
    with pytest.raises(ConfigError, match="into another folder"):
        archive_report(made[0], made[0])
    with pytest.raises(ConfigError, match="no run folders"):
        archive_report(archive, archive.with_name("again"))


def test_the_command_writes_an_archive(made, tmp_path, capsys):
    target = tmp_path / "archive"
    assert main([str(made[0]), "--archive", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target / "report.md")
    assert zipfile.is_zipfile(next((target / TABLES).glob("*.npz")))
    assert main([str(next(made[0].glob("activation=*"))), "--archive", str(target)]) == 2
    assert "a single run has no archive" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(made[0]), str(made[0]), "--archive", str(target)])
