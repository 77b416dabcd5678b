import json

import pytest

from dlexp.doctor.findings import Section, note, problem
from dlexp.doctor.render import build_document, render_page

LONG = "words " * 40
SECTIONS = [
    Section("cpu", {"cores": 2}, [("cores", "2"), ("model", LONG)], [note("busy")]),
    Section("run", {"needed": 5}, [("config", "depth=[1]")], [problem(LONG)]),
]


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_longer_than_the_terminal(width):
    lines = render_page(SECTIONS, width).plain.splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_what_is_wrong_comes_first():
    lines = render_page(SECTIONS, 80).plain.splitlines()
    assert lines[0].startswith("✗ run")
    assert next(line for line in lines if line[0] != " " and not line.startswith("✗")).startswith("! cpu")
    assert "  config         depth=[1]" in lines
    assert {"run ✗", "cpu !"} <= set(lines)
    assert lines[-1] == "1 problem: see the lines with ✗ at the top."


def test_all_right():
    assert render_page(SECTIONS[:1], 80).plain.splitlines()[-1].startswith("All right")


def test_the_document_holds_the_same():
    found = json.loads(json.dumps(build_document(SECTIONS)))
    assert found["ok"] is False
    assert found["problems"] == [{"section": "run", "text": LONG}]
    assert found["notes"] == [{"section": "cpu", "text": "busy"}]
    assert (found["cpu"], found["run"]) == ({"cores": 2}, {"needed": 5})
