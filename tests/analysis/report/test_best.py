"""The tables and sentences on which cells may be the best."""

import itertools
from pathlib import Path

import pandas as pd
import pytest

from dlexp.analysis import analyse
from dlexp.analysis.judge.best import find_best
from dlexp.analysis.judge.cells import add_reference, aggregate
from dlexp.analysis.judge.learned import outcomes
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.best import MAX_CELLS, build_tables, describe
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import LANGUAGES, Text
from dlexp.analysis.report.write import render_html, render_markdown
from tests.analysis.made import make_study, noisy

AXES = {"activation": ["relu", "tanh", "elu"]}
MEANS = {"relu": 0.9, "tanh": 0.899, "elu": 0.7}


def accuracy(cell, seed):
    """Around the mean of the activation, not by more than 0.01."""
    return MEANS[cell["activation"]] + 0.01 * (-1) ** seed * (0.5 + noisy(cell, seed))


def study(axes=AXES, seeds=range(6), *, value=accuracy, status=lambda cell, seed: "done", metric="test/acc", pairing="paired"):
    """A made-up study in memory, without the run folders of `make_study`, which take longer."""
    cells = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    planned = [{"id": f"{i}-{seed}", "cell": cell, "seed": seed} for i, cell in enumerate(cells) for seed in seeds]
    states = [status(run["cell"], run["seed"]) for run in planned]
    found = {"done": True, "diverged": False, "missing": None}
    rows = [
        {"id": run["id"], "seed": run["seed"], "status": state, "learned": found[state]}
        | {metric: value(run["cell"], run["seed"]) if state == "done" else None}
        | run["cell"]
        for run, state in zip(planned, states, strict=True)
    ]
    runs = pd.DataFrame(rows).astype({"learned": object, metric: float})
    content = {"metric": metric, "pairing": pairing, "axes": axes, "predictions": [], "name": "made_up", "question": "Which?"}
    protocol = {"study": content, "runs": planned, "changes": [], "command": "dlexp train"}
    empty = pd.DataFrame(columns=[*axes])
    compared = find_best(content, planned, outcomes(planned, runs, metric))
    counted = add_reference(aggregate(runs, list(axes), metric), None)
    result = StudyResult(
        Path("made_up"), protocol, list(axes), runs, counted, [], empty, empty, empty, [], comparisons=compared
    )
    return mark_absent(result)


def test_the_table_has_the_best_first():
    result = study()
    (table,) = build_tables(result, Text("en"))
    assert table.head == ["cell", "the best?", "minus best other", "95 % interval", "rank", "IQM (%)", "interval of IQM"]
    assert [row[1] for row in table.rows] == ["may be", "may be", "excluded"]
    assert table.rows[2][0] == "elu"
    assert table.rows[2][3].endswith(" … 0.00")
    assert [row[4] for row in table.rows] == ["1–2", "1–2", "3"]
    first, notes, scores = describe(result, Text("en"))
    assert first.startswith("test accuracy (%): 2 of 3 cells may be the best: ")
    assert "; elu" not in first
    assert "seed by seed" in notes
    assert "middle half" in scores


def test_the_only_one_that_is_left_is_the_best():
    (sentence, notes, _) = describe(
        study(
            value=lambda cell, seed: accuracy(cell, seed) - 0.1 * (cell["activation"] == "tanh"),
            pairing="independent",
        ),
        Text("en"),
    )
    assert sentence == "test accuracy (%): relu is the best: all other cells are excluded."
    assert "Welch" in notes


def test_cells_with_failed_and_missing_runs_are_named_apart():
    def status(cell, seed):
        where = cell["activation"], seed
        return (
            "missing"
            if where == ("gelu", 0)
            else "diverged"
            if where == ("tanh", 1) or cell["activation"] == "selu"
            else "done"
        )

    axes = {"activation": [*MEANS, "gelu", "selu"]}
    result = study(axes, value=lambda cell, seed: 0.8 + 0.1 * noisy(cell, seed), status=status)
    sentence = describe(result, Text("en"))[0]
    assert "Some runs of these failed to learn, and the ranks do not exclude them: tanh. With n = 6" in sentence
    assert "No run learned, so that these rank last: selu." in sentence
    assert "can neither be called the best nor be excluded: gelu." in sentence
    (table,) = build_tables(result, Text("en"))
    rows = {row[0]: row for row in table.rows}
    assert "gelu" not in rows
    assert rows["tanh"][1:5] == ["unclear (5 of 6 learned)", "–", "–", "1–3"]
    assert rows["selu"][1:5] == ["no run learned", "–", "–", "4"]


@pytest.mark.parametrize(("lost", "best"), [(None, "relu"), ("missing", "tanh"), ("oom", "tanh"), ("failed", "relu")])
def test_a_cell_with_missing_runs_has_not_the_best_mean(tmp_path, lost, best):
    def status(cell, seed):
        return lost if lost and cell["activation"] == "relu" and seed == 0 else "done"

    ordered = {"relu": 0.9, "tanh": 0.8, "elu": 0.7}
    folder = make_study(tmp_path, AXES, range(3), accuracy=lambda cell, seed: ordered[cell["activation"]], status=status)
    result = analyse(folder)
    (section,) = (each for each in make_page(result, [], Text("en")).sections if each.name == "results")
    assert section.paragraphs[0].startswith(f"Best mean: {best}")


def test_of_many_cells_the_best_are_shown_and_the_others_counted():
    (table,) = build_tables(study({"width": list(range(1, 16))}, value=noisy), Text("en"))
    assert len(table.rows) == MAX_CELLS
    assert table.note == "… and 3 more cells, in best.csv."


def test_ratios_are_about_the_best_run():
    result = study(metric="train/seconds", value=lambda cell, seed: 2 + 10 * MEANS[cell["activation"]] + noisy(cell, seed))
    (table,) = build_tables(result, Text("en"))
    assert table.rows[0][0] == "elu"
    assert table.rows[0][3].endswith(" … 1")
    assert "half as good" in describe(result, Text("en"))[-1]


def test_data_sets_are_compared_on_their_own_and_over_all():
    axes = {"dataset": ["digits", "moons", "circles", "spirals", "iris"], **AXES}
    result = study(axes)
    tables = build_tables(result, Text("en"))
    assert len(tables) == 6
    assert tables[-1].head[-1] == "mean rank"
    assert [row[0] for row in tables[-1].rows][-1] == "elu"
    assert "Over the 5 data sets the cells differ in rank (Friedman's test" in describe(result, Text("en"))[5]
    alike = study(axes, value=noisy)
    assert "were not shown to differ" in describe(alike, Text("en"))[5]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_has_the_section(tmp_path, lang):
    result, text = analyse(make_study(tmp_path, AXES, range(5), accuracy=accuracy)), Text(lang)
    page = make_page(result, [], text)
    assert "best" in [section.name for section in page.sections]
    assert text("best") in render_html(page)
    assert "| relu |" in render_markdown(page)


def test_a_sentence_names_too_few_seeds():
    assert describe(study(seeds=range(3)), Text("en")) == [
        "test accuracy (%): Not compared, because that takes at least five seeds that all these cells have (there are 3)."
    ]
    lost = study(status=lambda cell, seed: "done" if cell["activation"] == "relu" else "missing")
    assert "fewer than two cells" in describe(lost, Text("en"))[0]


def test_one_cell_has_no_section():
    result = study({"activation": ["relu"]})
    assert build_tables(result, Text("en")) == describe(result, Text("en")) == []


def test_the_table_in_python_has_the_keys_of_the_cells(tmp_path):
    best = analyse(make_study(tmp_path, {**AXES, "depth": [1, 2]}, range(5), accuracy=accuracy)).best
    assert best.columns[:4].tolist() == ["activation", "depth", "status", "n"]
    assert len(best) == 6
    assert analyse(make_study(tmp_path, {"depth": [1]}, range(5), name="one")).best.columns.tolist() == ["depth", "status"]
