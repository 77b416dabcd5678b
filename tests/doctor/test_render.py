import json

import pytest

from dlexp.doctor.findings import Section, note, problem
from dlexp.doctor.render import document, page

LONG = "words " * 40
SECTIONS = [
    Section("cpu", {"cores": 2}, [("cores", "2"), ("model", LONG)], [note("busy")]),
    Section("run", {"needed": 5}, [("config", "depth=[1]")], [problem(LONG)]),
]


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_longer_than_the_terminal(width):
    lines = page(SECTIONS, width).plain.splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_what_is_wrong_comes_first():
    lines = page(SECTIONS, 80).plain.splitlines()
    assert lines[0].startswith("✗ run")
    assert next(line for line in lines if line[0] != " " and not line.startswith("✗")).startswith("! cpu")
    assert "  config         depth=[1]" in lines
    assert {"run ✗", "cpu !"} <= set(lines)
    assert lines[-1] == "One thing is missing or broken: see the top."


def test_all_right():
    assert page(SECTIONS[:1], 80).plain.splitlines()[-1].startswith("All right")


def test_the_document_holds_the_same():
    told = json.loads(json.dumps(document(SECTIONS)))
    assert told["ok"] is False
    assert told["problems"] == [{"section": "run", "text": LONG}]
    assert told["notes"] == [{"section": "cpu", "text": "busy"}]
    assert (told["cpu"], told["run"]) == ({"cores": 2}, {"needed": 5})
