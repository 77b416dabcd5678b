"""docs/results.md is what scripts/results.py writes from outputs/reference, and every study there is on it."""

import json
import re
import shutil
import sys

import pytest

from dlexp.analysis import analyse, write_runs
from dlexp.analysis.read.runs_csv import read_runs
from dlexp.analysis.read.text import find_table
from dlexp.study.definition import studies
from scripts import results
from scripts.results_page.page import (
    Group,
    arrange_groups,
    count_verdicts,
    describe_study,
    find_studies,
    load_texts,
    render_groups,
    render_page,
)
from scripts.results_page.sentences import describe_origin
from tests import ROOT
from tests.analysis.made import make_study

REFERENCE, PAGE = ROOT / "outputs/reference", ROOT / "docs/results.md"
AGAIN = "docs/results.md is not what the tables in outputs/reference say. Write it again: python scripts/results.py"
SAMPLE = ("block_order", "hardware_lstm", "lr_batch_scaling", "topology")  # a margin, ratios and no runs, ranks, draws
CLAIM = {"claim": "ReLU beats tanh", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}
LISTED = {name: shown for group in load_texts()["groups"] for name, shown in group["studies"].items()}


@pytest.mark.slow(30)
def test_the_page_is_what_the_script_writes():
    assert PAGE.read_text(encoding="utf-8") == render_page(REFERENCE, PAGE.parent), AGAIN


@pytest.mark.parametrize("name", SAMPLE)
def test_a_section_of_the_page_is_what_the_script_writes(name):
    study = describe_study(analyse(REFERENCE / name), PAGE.parent, LISTED[name])
    section = render_groups([Group("Title", "", [study])], "").partition("## Title\n\n")[2].strip()
    assert section in PAGE.read_text(encoding="utf-8"), AGAIN


def test_the_page_has_every_study_with_the_date_and_code_of_its_runs():
    page = PAGE.read_text(encoding="utf-8").replace("\\", "")
    for folder in (folder for folders in find_studies(REFERENCE).values() for folder in folders):
        origin = describe_origin(read_runs(find_table(folder / "runs.csv")), load_texts()["origin"])
        line = next((line for line in page.splitlines() if f"({folder.relative_to(ROOT)}" in line.replace("../", "")), "")
        assert f"/{folder.name}/report.md)" in line, AGAIN
        assert origin in line, AGAIN


def test_the_words_of_the_page_hold_no_number_of_a_result():
    words = re.sub(r"[Dd]ocuments? \d{3}( to \d{3})?|CIFAR-10", "", json.dumps(load_texts()))
    assert re.findall(r"\d+", re.sub(r"activation_2d\w*", "", words)) == []


def test_the_listed_studies_exist():
    assert sorted(set(LISTED) - set(studies())) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of tables without run folders: a study that is not listed, and the same with a change."""
    made, reference = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("reference")
    predictions = [CLAIM, {**CLAIM, "claim": "A GPU is faster", "plus": {"activation": "gelu"}}]
    for changes in ((), ("epochs=3",)):
        root = made / str(len(changes))
        folder = make_study(root, {"activation": ["relu", "tanh"]}, range(6), predictions=predictions, changes=changes)
        copy = reference / folder.relative_to(root)
        copy.mkdir(parents=True)
        shutil.copy(folder / "protocol.json", copy)
        write_runs(analyse(folder).runs, copy / "runs.csv")
    return reference


def test_a_study_that_is_not_listed_is_at_the_end_with_its_changes_after_it(made):
    (group,), analyses = arrange_groups(find_studies(made), made)
    plain, changed = group.studies
    assert group.title == load_texts()["others"]
    assert (plain.report, changed.report) == ("made_up/report.md", "made_up/with-epochs=3/report.md")
    assert ["epochs=3" in study.basis for study in group.studies] == [False, True]
    assert plain.not_judged == ["A GPU is faster"]
    assert [len(study.sentences) for study in group.studies] == [1, 1]
    assert count_verdicts(analyses).startswith("The 2 reports have 4 verdicts: ")
    assert "(2 of these for lack of runs)" in count_verdicts(analyses)


def call(monkeypatch, *arguments):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setattr(sys, "argv", ["results.py", *map(str, arguments)])
    return results.main()


def test_the_command_writes_the_page(made, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    assert call(monkeypatch, made, "--page", page) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert page.read_text(encoding="utf-8") == render_page(made, tmp_path)
    assert call(monkeypatch, tmp_path, "--page", page) == 2
    assert "reference must be a folder of studies" in capsys.readouterr().err
    assert call(monkeypatch, made, "--page", tmp_path / "nowhere/page.md") == 2
    assert "--page must be a file in a folder that exists" in capsys.readouterr().err
