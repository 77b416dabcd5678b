import json
from dataclasses import replace

import torch

from dlexp.benchmark import results as document
from dlexp.benchmark import table
from dlexp.benchmark.comparison import Case, Comparison, Figure, Missing, Request, Sample
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.same_work import DifferentWorkError


def steady(seconds):
    """An arm that always says the same."""
    return lambda: lambda num_units: Sample(seconds, seconds / 2)


CASE = Case(
    name="made",
    arms=("a", "b"),
    ours=steady(0.5),
    other=steady(1.0),
    figures=(Figure("other / ours", goal=Goal("at least", 3.0, 10.0)), Figure("ours - other", "ms", 1e3)),
    unit="steps",
    block=2,
    check=lambda case, block: None,
)


def refuse(case, block):
    raise DifferentWorkError("made: the arms do different work: 3 steps and 4.")


def measured(tmp_path, *cases, rounds=6):
    comparison = Comparison("made_up", "Is it?", rounds, lambda request: cases)
    return document.run_comparisons([comparison], Request(tmp_path), report=lambda text: None)


def test_a_document_comes_back_from_its_file_as_it_was(tmp_path):
    made = measured(tmp_path, CASE, Missing("other", "no such thing"))
    path = document.write_document(made, tmp_path / "new")
    again = json.loads(path.read_text())
    assert again == json.loads(json.dumps(made))
    assert table.format_markdown(again) == table.format_markdown(made)
    assert again["rows"][0]["samples"]["ours"] == [[0.5, 0.25]] * 6


def test_neither_the_file_nor_its_name_tells_the_host(tmp_path):
    import platform

    made = measured(tmp_path, CASE)
    path = document.write_document(made, tmp_path / "new")
    assert platform.node() not in path.name
    assert "host" not in made["machine"]
    assert {"cpu", "gpu", "cores", "versions", "git_commit", "load_before"} <= made["machine"].keys()
    assert made["rows"][0]["threads"] == torch.get_num_threads()


def test_a_missed_goal_is_called_missed(tmp_path):
    ratio, difference = measured(tmp_path, CASE)["rows"]
    assert (ratio["estimate"]["median"], ratio["control"]["median"], ratio["verdict"]) == (2.0, 1.0, "missed")
    assert (difference["estimate"]["median"], difference["by_cpu_time"]["median"], difference["verdict"]) == (
        -500.0,
        -250.0,
        "",
    )


def test_what_was_not_measured_and_what_failed_are_rows_with_their_reason(tmp_path):
    made = measured(tmp_path, Missing("other", "no such thing"), replace(CASE, check=refuse))
    text = table.format_markdown(made)
    assert "| made_up | other |  |  |  |  |  | not measured: no such thing |" in text
    assert "failed: DifferentWorkError: made: the arms do different work: 3 steps and 4. |" in text


def test_an_interrupt_leaves_what_was_measured_before_it(tmp_path):
    def interrupt(case, block):
        raise KeyboardInterrupt

    made = measured(tmp_path, CASE, replace(CASE, name="second", check=interrupt), replace(CASE, name="third"))
    assert (len(made["rows"]), made["interrupted"]) == (2, True)
    assert "load_after" in made


def test_each_figure_is_a_line_of_the_table(tmp_path):
    made = measured(tmp_path, CASE)
    assert table.format_rows(made) == [
        ["made_up", "made", "other / ours", "2.000 (2.000 to 2.000)", "1.000 (1.000 to 1.000)", "2.000", ">= 3 (10)", "missed"],
        ["made_up", "made", "ours - other, ms", "-500 (-500 to -500)", "0 (0 to 0)", "-250", "", ""],
    ]
    assert table.build_table(made).row_count == 2
