"""The table, the sentences and the figure of an ablation."""

import csv
from dataclasses import replace

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.judge.ablation import weigh_switches
from dlexp.analysis.report.ablation import build_table, describe, explain_marks, format_worth, name_switch
from dlexp.analysis.report.archive import archive_report
from dlexp.analysis.report.figures import draw
from dlexp.analysis.report.figures.ablation import draw_worths
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import LANGUAGES, Text
from dlexp.analysis.report.write import build_report, render_html, render_markdown
from tests.analysis.made_ablation import SWITCHES, describe_switches, draw_accuracies, make_ablation_study

EN = Text("en")
JOINED = "dropout and width are one switch, because dropout cannot be put back alone: <b>for a test</b>."
NAMES = ["optimizer", "augment", "dropout"]


def make(root, **more):
    return make_ablation_study(root, NAMES, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    switches = describe_switches(NAMES)
    switches[-1]["joined"] = JOINED
    return make(tmp_path_factory.mktemp("outputs"), switches=switches)


@pytest.fixture(scope="module")
def result(folder):
    return analyse(folder)


def test_the_table_is_ordered_by_worth(result):
    table = build_table(result, EN)
    assert table.head == ["switch", "plain run", "from above", "from below", "above − below"]
    assert [row[:2] for row in table.rows[:3]] == [
        ["augment=standard", "none"],
        ["optimizer=muon", "adamw"],
        ["dropout=0.2", "0"],
    ]
    assert table.rows[3][0] == "all: the recipe against the plain run"
    verdict = result.ablation.worths[0].above
    half = 50 * (verdict.high - verdict.low)
    assert table.rows[0][2] == f"{100 * verdict.estimate:+.2f} ± {half:.2f} *"
    assert "over all 7 differences, or over the 3 interactions" in table.caption
    assert "seed by seed (n = 8 seeds)" in table.caption


def test_sentences_name_what_is_shown(result):
    whole, above, below, both, joined = describe(result, EN)
    assert whole.startswith("The recipe against the plain run: +")
    assert "points (95 % interval +" in whole
    assert above == "The recipe is worse without: augment=standard; optimizer=muon. The recipe is better without: dropout=0.2."
    assert below == "The plain run is better with: augment=standard; optimizer=muon. The plain run is worse with: dropout=0.2."
    assert both.startswith("Worth more within the recipe than alone, so that removal costs more than addition gives: augment=")
    assert "optimizer=muon. Not decided is whether" in both
    assert joined == JOINED


NEEDED = {  # switches, effect → the last sentence
    "enough": (NAMES, 0.001, "Not decided is whether they are worth more within the recipe or alone: dropout=0.2."),
    "some": (list(SWITCHES), 0.005, " seeds would have 80 % power for each worth that is not decided, if it is 0.50 points."),
    "many": (list(SWITCHES), 0.0001, "More than 1000 seeds would be needed for 80 % power for each worth that is not decided"),
}


@pytest.mark.parametrize(("names", "effect", "expected"), NEEDED.values(), ids=NEEDED.keys())
def test_seeds_are_asked_for_where_an_effect_is_declared(result, names, effect, expected):
    found = draw_accuracies(names, 8)
    study = {"metric": "test/acc", "pairing": "paired", "switches": describe_switches(names), "effect": effect}
    ablation = weigh_switches(study | {"seeds": [*range(8)]}, [{"arm": arm} for arm in found], lambda metric: [*found.values()])
    assert expected in describe(replace(result, ablation=ablation), EN)[-1]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_begins_with_it(result, lang):
    text = Text(lang)
    page = make_page(result, [], text)
    assert page.sections[0].name == "ablation"
    assert "verdicts" not in [section.name for section in page.sections]
    shown = render_markdown(page)
    assert "augment=standard | none |" in shown
    assert "<b>" not in shown.replace("&lt;b&gt;", "")
    assert "<b>for" not in render_html(page)
    setting = next(row for row in next(s for s in page.sections if s.name == "setup").tables[0].rows if row[0] == "augment")
    assert setting[1] == "standard, none"


def test_runs_that_failed_or_are_missing_are_counted_and_marked(tmp_path):
    def status(cell, seed):
        return (
            "diverged"
            if cell["arm"] == "without augment"
            else "missing"
            if (cell["arm"], seed) == ("only dropout", 1)
            else "done"
        )

    result = analyse(make(tmp_path, status=status))
    table = build_table(result, EN)
    rows = {row[0]: row[2:] for row in table.rows}
    assert rows["augment=standard"][0] == "–"
    assert rows["augment=standard"][3] == "8 of 32 failed to learn"
    assert rows["dropout=0.2"][1].endswith("†")
    assert rows["dropout=0.2"][3] == "1 of 32 missing"
    assert "† runs failed to learn or are missing" in table.caption
    assert list(draw_worths(result))  # what has no number is left out


def test_with_few_seeds_the_report_says_so(tmp_path):
    result = analyse(make(tmp_path, seeds=3))
    assert "Nothing is decided: that needs at least 5 seeds, and there are 3." in describe(result, EN)
    assert "*" not in "".join(row[2] for row in build_table(result, EN).rows)
    assert explain_marks(result, EN).startswith("test accuracy (%), with 95 % intervals. Nothing is decided")


def test_of_a_cost_ratios_are_shown(tmp_path):
    seconds = {"recipe": 5.0, "plain": 10.0}
    result = analyse(
        make(tmp_path, metric="train/seconds", seconds=lambda cell, seed: seconds.get(cell["arm"], 8.0) + 0.1 * seed)
    )
    total = result.ablation.total
    assert format_worth(total) == f"{total.estimate:.3g} ({total.low:.3g} … {total.high:.3g}) *"
    assert "multiply to" in describe(result, EN)[0]
    (drawn,) = draw_worths(result)
    assert drawn.figure.axes[0].get_xlabel() == "ratio of training time (s)"


def test_the_figure_has_a_row_for_each_switch(result):
    (drawn,) = draw_worths(result)
    left, right = drawn.figure.axes[:2]
    assert [label.get_text() for label in left.get_yticklabels()] == [name_switch(each) for each in result.ablation.worths]
    assert left.get_xlabel() == "difference in test accuracy (%)"
    handles, labels = zip(*(axes.get_legend_handles_labels() for axes in (left, right)), strict=True)
    assert [*labels[0], *labels[1]] == ["from above", "from below", "above − below"]
    hollow = [container[0].get_markerfacecolor() for container in right.containers]
    assert [colour == "white" for colour in hollow] == [False, False, True]


def test_a_report_and_its_archive_hold_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("dlexp.analysis.report.write.draw", lambda result: [p for p in draw(result) if p.name == "ablation"])
    build_report(folder)
    assert (folder / "figures/ablation.svg").is_file()
    rows = list(csv.DictReader((folder / "ablation.csv").read_text().splitlines()))
    assert [row["switch"] for row in rows] == ["augment", "optimizer", "dropout", "all"]
    assert rows[0]["above_verdict"] == "better"
    archive_report(folder, tmp_path / "archive")
    assert (tmp_path / "archive/ablation.csv").read_text() == (folder / "ablation.csv").read_text()
    assert "| augment=standard | none |" in (tmp_path / "archive/report.md").read_text()
