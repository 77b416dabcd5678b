import json

import pytest

from dlexp.doctor.findings import problem
from dlexp.doctor.fit import Fit, build_section, build_unmeasured_section, judge
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
    ("changes", "words"),
    [
        ({}, None),  # 65,000 of the 80,000 bytes that may be used
        ({"batch_size": 80}, "batch_size=64 fits."),
        ({"batch_size": 500}, "batch_size=64 fits."),
        ({"batch_size": 10_000, "num_examples": 60}, None),  # a batch holds no more than there is
        ({"free": 2_000}, "no batch fits"),
    ],
)
def test_a_batch_that_does_not_fit_is_a_problem(changes, words):
    assert [(finding.level, words in finding.text) for finding in judge(fit(**changes))] == (
        [("problem", True)] if words else []
    )


def test_the_meaning_of_auto_and_assumed_data_are_shown():
    lines = dict(build_section(fit(data_is_there=False)).lines)
    assert lines["device"] == "cpu (hardware=auto)"
    assert lines["precision"] == "fp32"
    assert lines["data"].endswith("3x32x32, as published")
    assert lines["largest batch"] == "64 examples, with 20 % of the free memory left as a margin"


def test_the_facts_can_be_written_as_json():
    assert json.loads(json.dumps(build_section(fit()).facts))["largest_batch"] == 64


@pytest.mark.parametrize("findings", [[], [problem("no GPU")]])
def test_a_run_that_is_not_measured_says_why(findings):
    section = build_unmeasured_section("depth=8", ["no GPU"], findings)
    assert ("not measured", "no GPU") in section.lines
    assert section.findings == findings
