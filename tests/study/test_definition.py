"""Reading a study, and what a command asks of it."""

import pytest
import yaml

from dlexp.errors import ConfigError
from dlexp.study.definition import read_study, spell
from dlexp.study.request import label, narrow

NARROWED = {  # study, what is typed → number of cells
    "nothing": ("depth_activation", "", 16),
    "an axis": ("depth_activation", "depth=1,8", 4),
    "two axes": ("depth_activation", "depth=1,8 activation=relu", 2),
    "a value that the axis lacks": ("depth_activation", "depth=9", 2),
    "a list of cells": ("loss", "dataset=digits", 3),
    "cells that have the key": ("loss", "loss.softmax=false", 2),
    "cells by two keys": ("loss", "loss=mse dataset=digits", 2),
    "cells by the name of an arm": ("model_family", "arm=mlp,convnet", 2),
    "an axis, and the cells with it": ("precision_stability", "precision=fp32", 12),
    "an axis, and no cell has it": ("precision_stability", "optimizer=adam", 9),
    "null is a value, and not the lack of one": ("precision_stability", "grad_clip=null", 9),
    "a key of the cells, and no axis": ("precision_stability", "loss=mse precision=fp16,bf16", 2),
    "no axis": ("depth_activation", "epochs=1 width=16", 16),
}


@pytest.mark.parametrize(("name", "typed", "num_cells"), NARROWED.values(), ids=NARROWED.keys())
def test_a_command_narrows_a_study(name, typed, num_cells):
    request = narrow(read_study(name), typed.split())
    assert len(request.cells) == num_cells
    assert request.seeds == [0, 1, 2, 3, 4]


def test_seeds_are_an_axis_of_every_study():
    assert narrow(read_study("depth_activation"), ["seed=7,8"]).seeds == [7, 8]


def test_what_is_no_axis_is_a_change_of_every_run():
    assert narrow(read_study("loss"), ["dataset=digits", "epochs=1", "seed=0"]).changes == {"epochs": "1"}


REFUSED = {
    "several values for what is no axis": (
        "depth_activation",
        "width=1,2",
        "has no axis width. Its axes: activation, depth, seed",
    ),
    "nothing left": ("topology", "arm=taller", r"no cell has arm=\['taller'\]"),
    "a key twice": ("depth_activation", "depth=1 depth=8", "depth=1: depth is set twice"),
}


@pytest.mark.parametrize(("name", "typed", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_command_that_makes_no_sense_is_refused(name, typed, message):
    with pytest.raises(ConfigError, match=message):
        narrow(read_study(name), typed.split())


def test_a_study_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="study=los: no such study.* Did you mean loss?"):
        read_study("los")


CLAIM = {"claim": "c", "plus": {"depth": 2}, "minus": {"depth": 1}, "expected": "greater"}
WRONG = {
    "a key": ({"axis": {}}, "study=made: axis: no such key"),
    "no cell": ({"axes": {}}, "neither axes nor cells"),
    "a kind": ({"cells": {"depth": 1}}, "study=made: cells: must be a list, got {'depth': 1}"),
    "a pairing": ({"pairing": "both"}, "pairing: must be paired or independent, got both"),
    "a condition": ({"when": {"depth=3": {"width": 2}}}, "when: depth=3 selects no cell"),
    "an expectation": ({"predictions": [CLAIM | {"expected": "more"}]}, "must be greater, less or equal, got more"),
    "no ratio": ({"predictions": [CLAIM | {"ratio": "2"}]}, "ratio must be a number at least 1, got '2'"),
    "a ratio below 1": ({"predictions": [CLAIM | {"ratio": 0.5}]}, "ratio must be a number at least 1, got 0.5"),
    "a ratio that nothing equals": (
        {"predictions": [CLAIM | {"expected": "equal", "ratio": 1}]},
        "ratio must be a number above 1 with expected: equal, got 1",
    ),
    "margin and ratio": ({"predictions": [CLAIM | {"margin": 1, "ratio": 2}]}, "margin and ratio: give one of the two"),
    "a margin": ({"predictions": [CLAIM | {"expected": "equal"}]}, "equal needs a margin above 0"),
    "a prediction's key": ({"predictions": [CLAIM | {"margins": 1}]}, "predictions: margins: no such key"),
    "a contrast": (
        {"predictions": [CLAIM | {"plus": [{"depth": 2}, {"depth": 4}]}]},
        r"predictions.plus: {'depth': 4} selects",
    ),
    "a published number": ({"reference": {"values": [{"depth": 5, "value": 1}]}}, "reference: {'depth': 5} selects no cell"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_file_with_a_mistake_is_refused(changes, message, tmp_path):
    sound = {"question": "q", "background": "b", "axes": {"depth": [1, 2]}, "predictions": [CLAIM]}
    (tmp_path / "made.yaml").write_text(yaml.safe_dump(sound | changes))
    with pytest.raises(ConfigError, match=message):
        read_study(str(tmp_path / "made.yaml"))


def test_an_arm_names_a_cell_and_sets_nothing():
    assert label({"arm": "wider", "depth": 2}, 3, {"epochs": "1"}) == ("depth=2", "seed=3", "epochs=1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0.001, "0.001"),
        ([1, [2.5]], "[1,[2.5]]"),
        ({16: 4, "mean": [0.5]}, "{16:4,mean:[0.5]}"),
    ],
)
def test_values_are_spelled_as_they_are_typed(value, text):
    assert spell(value) == text
