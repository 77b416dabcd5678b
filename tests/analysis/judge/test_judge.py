"""Of simulated studies no more are judged wrong than the project promises; docs/statistics.md has more of each kind."""

import subprocess
import sys

import pytest

from dlexp.analysis.judge.verdict import judge
from tests import ROOT
from tests.analysis import simulate_page
from tests.analysis.simulate import Case, allow, is_true, list_cases, read_rows, simulate
from tests.analysis.simulate_data import DATA, MARGIN, SD, UNEQUAL
from tests.analysis.simulate_looks import AT_ONCE
from tests.analysis.simulate_page import PAGE, add_parts, list_misses

PLANNED = "5, 10, 20 by O'Brien and Fleming"
SAMPLE = [
    Case("normal", "no differences", "paired", PLANNED),
    Case("heavy-tailed", "just outside the margin", "paired", "10"),
    Case("skewed", "one of each kind", "independent", "5"),
    Case("bimodal", "no differences", "paired", "20"),
    *(Case(data, "as named, five times", "paired", "10") for data, arms in DATA.items() if arms.can_fail),
    *(Case(data, "as named", "independent", "5") for data, arms in DATA.items() if arms.can_fail),
]


@pytest.mark.parametrize("case", SAMPLE, ids="-".join)
def test_a_few_studies_of_some_kinds_are_judged_right(case):
    assert list(list_misses({case: simulate(case, 60)})) == []


@pytest.mark.slow(seconds=240)
def test_no_more_studies_are_judged_wrong_and_no_fewer_intervals_cover_than_promised(tmp_path):
    """In a process of its own: type checks at run time would take five times as long as the simulation."""
    path = tmp_path / "verdicts.csv"
    subprocess.run([sys.executable, "-m", "tests.analysis.simulate", "400", path], cwd=ROOT, check=True)
    assert list(list_misses(add_parts(read_rows(path)))) == []


@pytest.mark.parametrize(
    "case",
    [
        Case(UNEQUAL, "no differences", "independent", "10"),
        pytest.param(Case("normal", "no differences", "paired", AT_ONCE), marks=pytest.mark.slow(seconds=30)),
    ],
    ids="-".join,
)
def test_the_page_names_what_is_not_promised(case):
    """If these kept the bound, it would be too loose to find anything."""
    assert simulate(case, 300).wrong / 300 > allow(300)


@pytest.mark.parametrize(
    ("expected", "margin", "difference", "true"),
    [
        ("greater", 0.0, SD, {"holds"}),
        ("greater", 0.0, 0.0, set()),
        ("greater", SD, SD, set()),
        ("greater", SD, SD / 2, {"fails"}),
        ("less", 0.0, SD, {"fails"}),
        ("less", SD, -2 * SD, {"holds"}),
        ("equal", MARGIN, SD, {"holds"}),
        ("equal", MARGIN, -MARGIN * 1.01, {"fails"}),
    ],
)
def test_a_verdict_is_true_or_not_of_what_it_names(expected, margin, difference, true):
    prediction = {"claim": "", "plus": {"arm": "a"}, "minus": {"arm": "b"}, "expected": expected, "margin": margin}
    found = set()
    for estimate in (-1.0, 0.0, 1.0):
        arms = [{seed: estimate + 0.0001 * seed for seed in range(6)}, {seed: 0.00009 * seed for seed in range(6)}]
        (verdict,) = judge({"predictions": [prediction]}, [{"arm": "a"}, {"arm": "b"}], lambda metric, arms=arms: arms)
        found |= {verdict.verdict} if verdict.verdict != "undecided" and is_true(verdict, difference, 0) else set()
    assert found == true


def test_the_page_has_what_is_simulated():
    text = PAGE.read_text(encoding="utf-8")
    rows = {tuple(line.strip("| ").split(" | "))[:3] for line in text.splitlines() if line.startswith("| ")}
    assert {case[:3] for case in list_cases()} <= rows
    assert simulate_page.fill(text, "looks", "new").count("new") == text.count("new") + 1
