"""The page of one run: what it holds, in which order, and that nothing in a folder prevents or enters it as markup."""

import json
import re
import warnings

import numpy as np
import pytest

from dlexp.analysis import load_runs
from dlexp.analysis.report.one_run.content import read_run_content
from dlexp.analysis.report.one_run.page import build_run_report, make_run_page
from dlexp.analysis.report.text import LANGUAGES, Text
from dlexp.run.record.layout import find_run_folders
from tests.analysis.made import make_run
from tests.analysis.report.one_run.made_run import classified, make_classification, regressed, save_predictions

SCRIPT = "<script>alert(1)</script>"
ALL_SECTIONS = ["learning", "diagnosis_run", "confusions", "classes", "predictions", "inside_run", "settings", "costs"]


def page_of(folder, language="en"):
    return make_run_page(read_run_content(folder), Text(language))


def section_of(page, name):
    return next(section for section in page.sections if section.name == name)


def change_summary(folder, **changed):
    path = folder / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_a_run_has_all_sections_in_their_order_and_no_problems(tmp_path):
    folder = make_classification(tmp_path, probes=True)
    change_summary(folder, overrides=["depth=1", "optimizer.lr=0.001"], restored_epoch=9)
    page = page_of(folder)
    assert [section.name for section in page.sections] == [*ALL_SECTIONS, "environment"]
    assert page.warnings == []
    assert page.title == "depth=1 optimizer.lr=0.001"
    values = [value for _, value in page.facts]
    assert {"90.00 %", "0.1", "12", "1\u202f234", "95", "made up"} <= set(values)
    assert section_of(page, "settings").tables[0].rows == [["depth", "1"], ["optimizer.lr", "0.001"]]
    assert len(section_of(page, "predictions").pictures) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_is_self_contained_and_in_the_folder(tmp_path, language):
    folder = make_classification(tmp_path)
    path = build_run_report(folder, language)
    html = path.read_text()
    assert ("Settings" in html) == (language == "en")
    assert path == folder / "report.html"
    assert "<script" not in html
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", html)
    assert "<details>" in html
    assert not list(folder.glob(".*.tmp"))
    assert list(find_run_folders(tmp_path)) == [folder]  # the page disturbs nothing that reads run folders
    assert load_runs(tmp_path)["status"].tolist() == ["done"]


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regression_has_its_own_figures_and_the_largest_errors(tmp_path, outputs):
    folder = make_run(tmp_path / "study", {"loss": "mse"}, 0)
    arrays = regressed(outputs=outputs)
    arrays["predicted"][7] += 5
    save_predictions(folder, arrays)
    page = page_of(folder)
    assert page.warnings == []
    assert [picture["name"] for picture in section_of(page, "predictions").pictures] == ["regression", "series"]
    assert section_of(page, "examples").tables[1].rows[0][0] == "7"
    assert "confusions" not in [section.name for section in page.sections]


def test_a_run_without_errors_is_stated(tmp_path):
    folder = make_classification(tmp_path)
    arrays = classified()
    arrays |= {"predicted": arrays["target"], "confusion": np.diag(arrays["confusion"].sum(1))}
    save_predictions(folder, arrays | {"worst": arrays["worst"][:0], "worst_images": arrays["worst_images"][:0]})
    section = section_of(page_of(folder), "predictions")
    assert section.paragraphs == ["Every test example was classified correctly."]
    assert [picture["name"] for picture in section.pictures] == ["sample"]


@pytest.mark.parametrize("status", ["done", "diverged", "failed", "oom", "interrupted", "damaged"])
def test_a_run_of_any_status_has_a_page_that_says_how_it_ended(tmp_path, status):
    folder = make_run(tmp_path / "study", {"depth": 1}, 0, status=status)
    if status in ("done", "diverged"):
        save_predictions(folder, classified(images=False))
    page = page_of(folder)
    names = [section.name for section in page.sections]
    assert {"learning", "diagnosis_run", "environment"} <= set(names)
    assert ("confusions" in names) == (status == "done")  # the predictions of weights that are not finite are none
    assert bool(page.warnings) == (status != "done")
    if status == "diverged":
        assert page.warnings[0].startswith("This run has no test metrics")
        assert not any("test" in name and value != "–" for name, value in page.facts)
    if status in ("failed", "oom"):
        assert "RuntimeError: <b>made up</b>" in page.warnings[0]
        assert "&lt;b&gt;made up" in build_run_report(folder).read_text()
    finished = status in ("done", "diverged")
    assert ("Not diagnosed" in section_of(page, "diagnosis_run").paragraphs[0]) == (not finished)


def test_a_folder_of_damaged_files_has_a_page_that_names_each(tmp_path):
    folder = make_classification(tmp_path)
    for name in ("config.yaml", "summary.json", "metrics.csv", "probes.csv"):
        (folder / name).write_text("a: [1")
    save_predictions(folder, {"target": np.zeros(3)})
    np.savez(folder / "arrays/decision_boundary-1.npz", x=np.zeros(3))
    (folder / "arrays/activation_stats-1.npz").write_bytes(b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = page_of(folder)
    for name in ("config.yaml", "summary.json", "predictions.npz", "decision_boundary", "activation_stats-1.npz"):
        assert [warning for warning in page.warnings if name in warning], name
    assert str(tmp_path) not in " ".join(page.warnings)
    assert [section.name for section in page.sections] == ["diagnosis_run", "settings", "environment"]


@pytest.mark.parametrize(
    "changed",
    [
        {"memory": {"process": float("inf")}, "seconds": {"train": "x"}, "restored_epoch": "x", "device": [1], "overrides": 3},
        {"git_commit": "x" * 100_000, "epochs": float("inf")} | {f"key {i}": i for i in range(1000)},
    ],
)
def test_a_hostile_summary_has_a_short_page(tmp_path, changed):
    folder = make_run(tmp_path / "study", {"depth": 1}, 0)
    change_summary(folder, **changed)
    html = re.sub(r"data:image/[^\"]*", "", build_run_report(folder).read_text())
    assert len(html) < 60_000


def test_text_of_others_is_escaped(tmp_path):
    folder = make_classification(tmp_path)
    save_predictions(folder, classified(names=[SCRIPT, "$x$", "b" * 5000]))
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text() + f"note: '</pre>{SCRIPT}'\n")
    change_summary(folder, overrides=[f"note={SCRIPT}"], device=SCRIPT, host=SCRIPT, **{SCRIPT: SCRIPT})
    (folder / "probes.csv").write_text(f"epoch,probe,layer,name,value\n1,{SCRIPT},{SCRIPT},{SCRIPT},1\n2,p,,n,nan\n")
    html = build_run_report(folder).read_text()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 6
    assert "b" * 400 not in html


def test_many_classes_are_a_picture_with_a_table_of_pairs(tmp_path):
    folder = make_classification(tmp_path, classes=30, images=False)
    page = page_of(folder)
    assert [picture["name"] for picture in section_of(page, "confusions").pictures] == ["confusion"]
    assert len(section_of(page, "pairs").tables[0].rows) == 10
    assert page.warnings == []
