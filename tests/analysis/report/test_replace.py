"""A report is not replaced by one that knows less, unless that is asked for."""

import gzip
import shutil

import pytest

from dlexp.analysis.report.replace import LessKnownError
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import build_report
from dlexp.commands.report import main
from tests.analysis.made import make_study

AXES = {"activation": ["relu", "tanh"]}


@pytest.fixture
def folder(tmp_path):
    """A study of four runs with its report."""
    made = make_study(tmp_path, AXES, [0, 1])
    build_report(made)
    return made


def read_all(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("lost", ["one run", "all runs", "all runs, and the table is gzipped"])
def test_a_report_is_not_replaced_by_one_that_knows_less(folder, lost, capsys):
    runs = sorted(folder.glob("activation=*"))
    for run in runs[:1] if lost == "one run" else runs:
        shutil.rmtree(run)
    if "gzipped" in lost:
        (folder / "runs.csv.gz").write_bytes(gzip.compress((folder / "runs.csv").read_bytes()))
        (folder / "runs.csv").unlink()
    before = read_all(folder)
    with pytest.raises(
        LessKnownError, match="1 runs that it shows" if lost == "one run" else "from which its figures are drawn"
    ):
        build_report(folder)
    assert read_all(folder) == before
    assert main([str(folder)]) == 2
    assert "--replace replaces it all the same" in capsys.readouterr().err
    assert main([str(folder), "--replace"]) == 0
    assert read_all(folder) != before
    text = Text("en")
    from_table = lost != "one run"
    page = (folder / "report.md").read_text()
    assert (text("from_table") in page, text("made_by_table") in page) == (from_table, from_table)
    assert text("made_by") not in page or not from_table


def test_a_report_that_knows_as_much_is_replaced(folder):
    (folder / "report.md").write_text("old")
    build_report(folder, "ko")
    assert "old" not in (folder / "report.md").read_text()


def test_a_report_of_the_current_folder_has_all_sections(folder, monkeypatch):
    elsewhere = make_study(folder.parent, AXES, [0, 1], name="changed", changes=["epochs=12"])
    for study in (folder, elsewhere):
        build_report(study)
        before = (study / "report.md").read_text()
        monkeypatch.chdir(study)
        assert main(["."]) == 0
        assert (study / "report.md").read_text() == before
        assert "Learning" in before or "learning" in before
