"""The sentence on a verdict says what the runs say: the difference and what decides it, whatever the verdict rests on."""

from dataclasses import replace

import pandas as pd
import pytest

from dlexp.analysis.judge.heterogeneity import Average, Part
from dlexp.analysis.judge.times import Censored
from dlexp.analysis.judge.verdict import judge
from dlexp.analysis.report.text import Text
from scripts.results_page.sentences import describe_common_draws, describe_origin, write_sentence

CELLS = [{"activation": "relu"}, {"activation": "tanh"}]
BETTER, MIXED, SMALL = (
    [0.1, 0.12, 0.11, 0.09, 0.1, 0.11],
    [0.1, -0.12, 0.11, -0.09, 0.1, 0.02],
    [0.01, -0.01, 0.0, 0.01, -0.01, 0],
)
FAILING = {seeds: ([0.9] * seeds, [0.8, *[None] * (seeds - 1)]) for seeds in (5, 8)}
TIMES = [*[20.0] * 4, *[Censored(30.0)] * 4], [4.0, 5.0, 6.0, 7.0, 4.0, 5.0, 6.0, 3.0]
EPOCHS = {"metric": "convergence_epoch"}
SECONDS = [3.0, 3.1, 3.2, 2.9, 3.0, 3.1], [1.0, 1.1, 1.0, 0.9, 1.05, 1.0]


def verdict_of(plus, minus, *, metric="test/acc", data_seeds=(), **prediction):
    """The verdict on two arms; an outcome is a number, or None where the run failed to learn."""
    first = {"claim": "ReLU beats tanh", "plus": CELLS[0], "minus": CELLS[1], "expected": "greater", "metric": metric}
    study = {"predictions": [first | prediction], "metric": "test/acc", "data_seeds": list(data_seeds)}
    repeats = [(draw, seed) for draw in data_seeds for seed in (0, 1)] or range(len(plus))
    arms = [dict(zip(repeats, values, strict=True)) for values in (plus, minus)]
    return judge(study, CELLS, lambda name: arms)[0]


def ahead(differences):
    """Two arms, the first ahead by these differences."""
    base = [0.6 + 0.02 * seed for seed in range(len(differences))]
    return [value + difference for value, difference in zip(base, differences, strict=True)], base


INTERVAL = "95 % interval of the difference between runs that learn"
CASES = {
    "holds": (ahead(BETTER), {}, f"difference +10.50 points. The {INTERVAL}, +9.40 to +11.60 points, lies above 0 (n = 6)."),
    "fails": (ahead([-each for each in BETTER]), {}, "difference −10.50 points. "),
    "undecided": (ahead(MIXED), {"effect": 0.1}, f"the {INTERVAL}, -8.76 to +12.76 points, includes 0."),
    "equal": (ahead(SMALL), {"expected": "equal", "margin": 0.05}, "-0.74 to +0.74 points, lies within ±5.00 points (n = 6)."),
    "not equal": (ahead(BETTER), {"expected": "equal", "margin": 0.05}, "lies outside ±5.00 points (n = 6)."),
    "few": (([0.9, 0.91, 0.92], [0.8, 0.81, 0.8]), {}, "difference +10.67 points. n = 3, needs at least 6 seeds."),
    "by ranks": (
        FAILING[8],
        {},
        "among runs that learned +10.00 points (n = 1). The values of the first side are larger, failed runs ",
    ),
    "failed": (FAILING[8], {}, "p = 0.00781; 7 of 16 runs failed to learn)."),
    "undecided by ranks": (
        FAILING[5],
        {},
        "n = 5: 4 of 10 runs failed to learn, failed runs count as the worst, and this does not decide ",
    ),
    "unranked": (FAILING[8], {"margin": 0.05}, "7 of 16 runs failed to learn, and a margin cannot be decided by ranks."),
    "times": (
        TIMES,
        EPOCHS,
        "difference of the mean times up to 30 +20 (95 % interval +14.98 to +25.02, n = 8). The first side takes ",
    ),
    "reached": (TIMES, EPOCHS, "the target was reached by 4 of 8 runs on the first side and by 8 of 8 runs on the second)."),
    "ratio": (
        SECONDS,
        {"metric": "train/seconds", "ratio": 1},
        "ratio 3.03. The 95 % interval of the ratio, 2.85 to 3.21, lies above 1 ",
    ),
    "by draw": (ahead([*BETTER, *BETTER]), {"data_seeds": range(6)}, "difference +10.50 points. "),
}
WORDS = {"fails": ["fails", "not equal"], "undecided": ["undecided", "few", "undecided by ranks", "unranked"]}


@pytest.mark.parametrize("case", CASES)
def test_a_sentence_has_verdict_claim_difference_and_reason(case):
    arms, given, expected = CASES[case]
    sentence = write_sentence(verdict_of(*arms, **given), "test/acc", Text("en"))
    assert sentence.word == next((word for word, cases in WORDS.items() if case in cases), "holds")
    assert sentence.text.startswith("ReLU beats tanh")
    assert expected in sentence.text


@pytest.mark.parametrize(
    ("metric", "named"), [("test/acc", "ReLU beats tanh: "), ("convergence_epoch", "ReLU beats tanh (convergence epoch): ")]
)
def test_another_metric_than_that_of_the_study_is_named(metric, named):
    found = verdict_of(*ahead(BETTER), metric=metric)
    assert write_sentence(found, "test/acc", Text("en")).text.startswith(named)


def test_a_sentence_warns_of_a_difference_that_depends_on_an_axis():
    parts = (Part("1", 0.01), Part("8", 0.2))
    found = replace(verdict_of(*ahead(BETTER)), averages=(Average("depth", parts, 0.001), Average("width", parts, 0.3)))
    text = write_sentence(found, "test/acc", Text("en")).text
    assert text.endswith("The average does not stand alone: the difference depends on depth (interaction p = 0.0010).")


def test_the_draws_of_the_verdicts_are_named_once():
    first = verdict_of(*ahead(BETTER))
    said = replace(first, draws=1, reason=f"{first.reason} This is on one draw of the data.")
    assert describe_common_draws([said, replace(first, cause="no_runs"), said]) == "This is on one draw of the data."
    assert write_sentence(said, "test/acc", Text("en")) == write_sentence(first, "test/acc", Text("en"))


def test_the_origin_is_that_of_finished_runs():
    runs = pd.DataFrame(
        {
            "status": ["done", "diverged", "missing"],
            "dataset": ["moons", "circles", "digits"],
            "started": ["2026-11-28T09:00:00+00:00", "2026-11-21T09:00:00+00:00", None],
            "code": ["0123456789", "0123456789", None],
            "device": [None, None, "a GPU"],
        }
    )
    labels = {"dataset": "Data", "device": "Device", "started": "Date", "code": "Code", "host": "Host"}
    assert describe_origin(runs, labels) == "Data: moons, circles. Date: 2026-11-21 to 2026-11-28. Code: 01234567."
    assert describe_origin(runs[:0], labels) == ""
