import json

import pytest

from dlexp.doctor.fit import Fit, judge, left_out, section
from tests.run.setup.test_footprint import made

FOOTPRINT = made(weights=1000, saved=1000, passing=0, raw=0)


def fit(**changes):
    given = {
        "title": "depth=8",
        "device": "cpu",
        "hardware": "auto",
        "precision": "fp32",
        "format": "fp32",
        "input_shape": (3, 32, 32),
        "num_examples": 500,
        "data_is_there": True,
        "asked": 64,
        "batch_size": 64,
        "free": 100_000,
        "footprint": FOOTPRINT,
    }
    return Fit(**given | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),  # 65,000 of the 80,000 bytes that may be used
        ({"batch_size": 80}, "batch_size=64 fits."),
        ({"batch_size": 500}, "batch_size=64 fits."),
        ({"batch_size": 10_000, "num_examples": 60}, None),  # a batch holds no more than there is
        ({"free": 2_000}, "no batch fits"),
    ],
)
def test_a_batch_that_does_not_fit_is_a_problem(changes, said):
    assert [(finding.level, said in finding.text) for finding in judge(fit(**changes))] == ([("problem", True)] if said else [])


def test_what_auto_stands_for_and_what_is_assumed_is_said():
    lines = dict(section(fit(data_is_there=False)).lines)
    assert lines["device"] == "cpu (hardware=auto)"
    assert lines["precision"] == "fp32"
    assert lines["data"].endswith("3x32x32, as published")
    assert lines["largest batch"] == "64 examples, with a margin of 20 %"


def test_the_facts_can_be_written_as_json():
    assert json.loads(json.dumps(section(fit()).facts))["largest_batch"] == 64


@pytest.mark.parametrize(("is_told", "count"), [(True, 0), (False, 1)])
def test_a_run_that_is_left_out_says_why(is_told, count):
    told = left_out("depth=8", ["no GPU"], is_told=is_told)
    assert ("not measured", "no GPU") in told.lines
    assert len(told.findings) == count
