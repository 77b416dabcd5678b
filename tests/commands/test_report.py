"""`dlexp report` writes the report of a study or the page of a run, whichever it is given."""

import pytest

from dlexp.commands.report import main
from tests.analysis.made import make_run, make_study


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_run(tmp_path / "outputs/study", {"depth": 1}, 0, status="failed")


@pytest.mark.parametrize("way", ["folder", "id", "here"])
def test_a_run_is_given_by_its_folder_or_its_id(run, way, capsys, monkeypatch):
    if way == "here":
        monkeypatch.chdir(run)
    given = {"folder": str(run), "id": run.name[-12:], "here": "."}[way]
    assert main([given, "--lang", "ko"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"{run.name}/report.html")
    assert "실행" in (run / "report.html").read_text()


@pytest.mark.parametrize("given", ["0123456789ab", "nowhere", "nowhere-0123456789ab", "outputs/study"])
def test_what_is_neither_a_study_nor_a_run_is_refused_and_the_rest_is_written(run, given, capsys):
    assert main([given, str(run)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"{given}: ")
    assert (run / "report.html").exists()


def test_a_folder_above_studies_and_runs_is_answered_with_what_is_below(run, capsys):
    make_study(run.parent.parent, {"depth": [1, 2]}, [0], name="other")
    assert main(["outputs"]) == 2
    assert capsys.readouterr().err == (
        "outputs: expected the folder of a study, which holds protocol.json, or that of a run. A report can be made of "
        f"outputs/other, {', '.join(str(folder) for folder in sorted(run.parent.parent.glob('other/*-*')))}, "
        f"outputs/study/{run.name}.\n"
    ).replace(f"{run.parent.parent}/", "outputs/")
