"""The section of a report on how its cells were tuned, from made-up runs."""

import json

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.report.figures import make_picture
from dlexp.analysis.report.figures.budget import draw_budgets
from dlexp.analysis.report.figures.style import drawing
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import render_html, render_markdown
from tests.analysis.made import identity, make_run, make_study
from tests.runs import edit_summary

AXES = {"activation": ["relu", "tanh"]}
RATES = [0.01, 0.1, 1.0]
PREDICTIONS = [{"claim": "ReLU", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}]
SCORES = {"relu": [0.6, 0.9, 0.7], "tanh": [0.5, 0.6, 0.8]}


def make_tuned(root, scores, *, chosen=(1, 2), rates=RATES, data_seeds=(), **study):
    """A study whose two cells have searches with these scores; a word is the status of a run. The folder of its report."""
    folder = make_study(
        root, AXES, range(5), data_seeds=data_seeds, predictions=PREDICTIONS, tune={"optimizer.lr": rates, **study}
    )
    trials, runs = [{"optimizer.lr": rate} for rate in rates], []
    for draw_of in [{"data_seed": drawn} for drawn in data_seeds] or [{}]:
        for activation, values in scores.items():
            for place, score in enumerate(values):
                cell = {"activation": activation, **trials[place]}
                status, accuracy = ("done", score) if isinstance(score, float) else (score, None)
                if status != "missing":
                    make_run(folder, cell, 7, accuracy=accuracy, status=status, **draw_of)
                listed = {"id": identity(cell, 7, **draw_of), "cell": {"activation": activation}, "trial": place, "seed": 7}
                runs.append(listed | draw_of)
    choices = [
        {"cell": {"activation": activation}, "trial": place}
        for activation, place in zip(scores, chosen, strict=True)
        if place is not None and not data_seeds
    ]
    protocol = json.loads((folder / "protocol.json").read_text())
    protocol["search"] = {"metric": "val/acc", "seeds": [7], "trials": trials, "runs": runs, "choices": choices}
    for run in protocol["runs"]:
        if chosen[list(scores).index(run["cell"]["activation"])] is None:
            run |= {"untuned": "unusable", "id": run["id"][::-1]}
    (folder / "protocol.json").write_text(json.dumps(protocol))
    return folder


def make(result, lang="en"):
    page = make_page(result, [], Text(lang))
    return page, next(section for section in page.sections if section.name == "tuning")


def draw(result):
    with drawing():
        return [make_picture("tuning", drawn) for drawn in draw_budgets(result)]


def test_a_report_says_what_each_search_chose_and_cost(tmp_path):
    result = analyse(make_tuned(tmp_path, SCORES))
    page, section = make(result)
    (table,) = section.tables
    assert table.head == ["cell", "chosen", "validation accuracy (%)", "trials", "runs", "training (s)"]
    assert table.rows == [
        ["relu", "optimizer.lr=0.1", "90.00", "3", "3", "36"],
        ["tanh", "optimizer.lr=1", "80.00", "3", "3", "36"],
    ]
    (about,) = section.paragraphs
    assert about.startswith(
        "Before the comparison each cell was tuned with the same 3 trials, combinations of optimizer.lr, with one"
    )
    assert page.warnings == [
        "The chosen optimizer.lr is the lowest or the highest that was tried, so that a better value may lie beyond: tanh (1). "
        "Extend its list under tune in the file of the study."
    ]
    card = page.sections[0].cards[0]
    assert (
        "Each cell was tuned with the same 3 trials of optimizer.lr, one seed each (7), by validation accuracy (%)."
        in card.lines
    )
    setup = next(each for each in page.sections if each.name == "setup").tables[0].rows
    assert ["optimizer.lr", "tuned: 0.01, 0.1, 1"] in setup
    assert setup[-1] == ["seed of the search", "7"]
    assert (len(result.runs), result.other.empty) == (10, True)  # no run of a search is in a mean


def test_trials_of_a_larger_product_and_equal_ones_are_named(tmp_path):
    scores = {"relu": [0.6, 0.9, 0.9], "tanh": [0.5, "failed", 0.8]}
    folder = make_tuned(tmp_path, scores, grad_clip=[None, 1.0], trials=3)
    protocol = json.loads((folder / "protocol.json").read_text())
    for trial in protocol["search"]["trials"]:
        trial["grad_clip"] = None
    (folder / "protocol.json").write_text(json.dumps(protocol))
    _, section = make(analyse(folder))
    assert section.paragraphs[0].endswith("The trials were drawn at random from all 6 combinations.")
    assert section.paragraphs[1] == "Several trials were equally good, and the first one in the list was chosen: relu."
    assert [row[1:5] for row in section.tables[0].rows] == [
        ["optimizer.lr=0.1 grad_clip=null", "90.00", "3", "0"],
        ["optimizer.lr=1 grad_clip=null", "80.00", "3", "1"],
    ]


def test_a_cell_that_has_no_settings_says_why(tmp_path):
    scores = {"relu": SCORES["relu"], "tanh": ["diverged"] * 3}
    result = analyse(make_tuned(tmp_path, scores, chosen=(1, None)))
    page, section = make(result)
    assert section.tables[0].rows[1][1:] == ["no trial learned", "–", "3", "3", "3", "36"]
    sentence = "No trial of the search learned, so that no runs of the comparison were started: tanh."
    assert section.paragraphs[1] == sentence
    assert "The search found no trial that learns for activation=tanh" in page.sections[0].cards[0].lines[0]
    (broken,) = next(each for each in page.sections if each.name == "broken").tables
    assert broken.rows == [["tanh", "missing", "no trial of the search of its cell learned", "0, 1, 2, 3, 4", ""]]
    korean = make(result, "ko")[0].sections[0].cards[0].lines
    assert any(line.startswith("탐색에서 학습에 성공한 시도가 없어") and "activation=tanh" in line for line in korean)


def test_searches_that_have_changed_or_are_of_other_code_are_warned_of(tmp_path):
    folder = make_tuned(tmp_path, SCORES, chosen=(1, 1))
    run = identity({"activation": "relu", "optimizer.lr": 0.1}, 7)
    edit_summary(next(folder.glob(f"*-{run}")), lambda summary: summary.update(code="d" * 64))
    warnings = make(analyse(folder))[0].warnings
    changed = "The searches would now choose other settings than those of the runs compared here: tanh."
    assert f"{changed} The command of the study, given again, runs them." in warnings
    assert "The searches were made by another version of the code than the runs compared here: relu." in warnings


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_study_over_draws_has_a_search_for_each(lang, tmp_path):
    folder = make_tuned(tmp_path, SCORES, data_seeds=[1, 2])
    result = analyse(folder)
    page, section = make(result, lang)
    assert [row[0] for row in section.tables[0].rows] == [
        f"{name}, data_seed={drawn}" for drawn in (1, 2) for name in ("relu", "tanh")
    ]
    (picture,) = draw(result)
    assert (picture.name, picture.caption) == ("budget", "budget_draws")
    page = make_page(result, [picture], Text(lang, by_draw=True))
    assert "(Dodge " in render_markdown(page)
    assert "figures/budget.png" in render_markdown(page)
    assert "data_seed=1" in render_html(page)


def test_the_figure_shows_the_searches_that_have_ended(tmp_path):
    scores = {"relu": [0.6, "missing", 0.7], "tanh": ["missing"] * 3}
    result = analyse(make_tuned(tmp_path, scores, chosen=(None, None)))
    assert draw(result) == []
    assert make(result)[1].paragraphs[1].endswith("no runs of the comparison were started: relu; tanh.")
