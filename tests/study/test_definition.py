"""Reading a study, and what a command asks of it."""

import pytest
import yaml

from dlexp.errors import ConfigError
from dlexp.study.cells import Repeat, label, spell
from dlexp.study.definition import read_study
from dlexp.study.request import narrow

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
    "an arm that no cell has": (
        "topology",
        "arm=small,widr",
        "no cell of topology has arm=widr, but small, wider, deeper, both. Did you mean wider",
    ),
    "cells that exclude each other": (
        "loss",
        "loss=cross_entropy loss.softmax=true",
        "no cell has loss=cross_entropy loss.softmax=true",
    ),
    "a value twice": ("depth_activation", "depth=1,1", "depth=1,1: the same value comes twice"),
    "a seed twice": ("depth_activation", "seed=0,0", "seed=0,0: the same value comes twice"),
    "a seed that is no number": ("depth_activation", "seed=a", "seeds are whole numbers, at least 0, got a"),
    "a seed below 0": ("depth_activation", "seed=-1", "at least 0, got -1"),
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
    "an empty question": ({"question": " "}, "question: must be text, got ' '"),
    "a key that is no text": ({"axes": {1: [2]}}, "axes: the key 1 is no text"),
    "an axis of one value": ({"axes": {"depth": 1}}, r"axes: depth: must be a list of values, got 1. Write \[1\]"),
    "an axis as in a command": (
        {"axes": {"depth": "1,2"}},
        r"axes: depth: must be a list of values, got '1,2'. Write \[1, 2\]",
    ),
    "an empty range": ({"axes": {"depth": "range(4,1)"}}, r"axes: depth=range\(4,1\): lists no values: an axis has 1 to 1000"),
    "a long range": ({"axes": {"depth": "range(0,10000)"}}, "lists more than 1000 values"),
    "a bound that log cannot take": (
        {"axes": {"optimizer.lr": "log(0,1,5)"}},
        r"axes: optimizer.lr=log\(0,1,5\): log takes bounds above 0, .* got 0 and 1",
    ),
    "axes of unequal length that go together": (
        {"axes": {"depth": [1, 2, 3], "width": [8, 16]}, "zip": ["depth", "width"]},
        "zip: depth has 3 values, width has 2 values: axes that go together have equally many",
    ),
    "an axis that goes together with what is none": (
        {"zip": ["depth", "widht"]},
        "zip: widht is no axis here. The axes are depth.",
    ),
    "zip of a word": ({"zip": "depth"}, "zip: must be a list of axes that go together, such as .*, got 'depth'"),
    "an exclusion of nothing": ({"exclude": [{"depth": 9}]}, "exclude: {depth: 9}: depth has no value 9, but 1, 2"),
    "an exclusion of all": ({"exclude": [{"depth": 1}, {"depth": 2}]}, "exclude: leaves none of the 2 combinations"),
    "an exclusion that is no list": (
        {"exclude": {"depth": 1}},
        "exclude: must be a list of combinations to leave out, .* got {depth: 1}",
    ),
    "another word than without_effect": ({"skip": "yes"}, "skip: must be without_effect, got 'yes'"),
    "a prediction about what is excluded": ({"exclude": [{"depth": 2}], "predictions": [CLAIM]}, "selects no cell"),
    "sides that are means over unlike cells": (
        {"axes": {"depth": [1, 2], "norm": ["bn", "gn"]}, "exclude": [{"depth": 2, "norm": "bn"}], "predictions": [CLAIM]},
        "'c': compares means over unlike cells, .*: only one side has {norm: bn}. Choose cells that both sides have by `where`",
    ),
    "a sweep's word in a cell": ({"base": {"zip": ["depth"]}}, "base: zip: write it beside `axes`: it is about all cells"),
    "nothing that has an effect": (
        {"axes": {"activation": ["relu", "tanh"]}, "base": {"depth": 0, "norm": "none"}, "skip": "without_effect"},
        "skip: leaves none of the 2 cells",
    ),
    "an empty axis": ({"axes": {"depth": [1, 2], "width": []}}, "axes: width: has no values"),
    "an axis with nan": ({"axes": {"depth": [1, 2], "dropout": [float("nan")]}}, "axes: dropout: must be values, got .nan"),
    "a value twice": ({"axes": {"depth": [1, 2, 1]}}, "axes: depth: 1 comes twice"),
    "a value twice in two spellings": ({"axes": {"depth": [1, 2], "dropout": [0, 0.0]}}, "axes: dropout: 0.0 comes twice"),
    "a number and its text": ({"axes": {"depth": [1, 2, "1"]}}, "axes: depth: 1 comes twice"),
    "the seed as an axis": ({"axes": {"depth": [1, 2], "seed": [0]}}, "axes: seed: write `seeds`"),
    "the seed in a cell": ({"cells": [{"arm": "a", "seed": 1}]}, "cells: seed: write `seeds`"),
    "the seed in base": ({"base": {"seed": 1}}, "base: seed: write `seeds`"),
    "draws that are no list": ({"data_seeds": 3}, "data_seeds: must be a list of one whole number or more"),
    "a draw below 0": ({"data_seeds": [1, -1]}, "data_seeds: must be whole numbers, at least 0, got -1"),
    "a draw twice": ({"data_seeds": [1, 1]}, "data_seeds: 1 comes twice"),
    "a single draw": ({"data_seeds": [7]}, "data_seeds: must list two draws or more: one is set by `base`, data_seed: 7"),
    "draws beside one in base": ({"base": {"data_seed": 1}, "data_seeds": [1, 2]}, "base: data_seed: data_seeds sets it"),
    "draws beside an axis": (
        {"axes": {"data_seed": [1, 2]}, "data_seeds": [1, 2]},
        "axes and cells: data_seed: data_seeds sets",
    ),
    "a study in a study": ({"base": {"study": "loss"}}, "base: study: a study cannot run another one"),
    "an arm in base": ({"base": {"arm": "a"}}, "base: arm names a cell"),
    "a cell that is no map": ({"cells": ["relu"]}, "cells: each must be a map"),
    "a cell twice": ({"cells": [{"width": 4}, {"width": 4}]}, r"cells: {width: 4} comes twice"),
    "a cell that the axes make": ({"cells": [{"depth": 2}]}, r"cells: {depth: 2} comes twice"),
    "two arms that are one": (
        {"cells": [{"arm": "a", "width": 4}, {"arm": "b", "width": 4}]},
        "{arm: a, width: 4} and {arm: b, width: 4} are one run",
    ),
    "a baseline that base repeats": (
        {"base": {"depth": 2}, "cells": [{"arm": "plain"}]},
        "{depth: 2} and {arm: plain} are one run",
    ),
    "no seeds": ({"seeds": []}, r"seeds: must be a list of one whole number or more, such as \[0, 1, 2, 3, 4\], got \[\]"),
    "one seed": ({"seeds": 3}, "seeds: must be a list"),
    "seeds in quotes": ({"seeds": ["0", 1]}, "seeds: must be whole numbers, at least 0, got '0'. Write 0 without quotes"),
    "a seed that is true": ({"seeds": [True]}, "seeds: must be whole numbers, at least 0, got true"),
    "a seed twice": ({"seeds": [0, 1, 0]}, "seeds: 0 comes twice"),
    "a condition that is none": ({"when": {"depth": {"width": 2}}}, "when: depth: must be a condition, such as norm=gn"),
    "settings of a condition": ({"when": {"depth=1": [1]}}, r"when: 'depth=1': must be a map"),
    "an unknown metric": ({"metric": "test/accuracy"}, "metric: no run has a metric test/accuracy. Did you mean test/acc"),
    "a metric without its split": ({"metric": "acc"}, "metric: no run has a metric acc. Did you mean test/acc"),
    "a metric of a prediction": (
        {"predictions": [CLAIM | {"metric": "tets/acc"}]},
        "predictions: metric: .* Did you mean test/acc",
    ),
    "a prediction that is no map": ({"predictions": ["deep wins"]}, "predictions: each must be a map with claim, plus, minus"),
    "no claim": (
        {"predictions": [{key: CLAIM[key] for key in ("plus", "minus", "expected")}]},
        "predictions: claim is missing",
    ),
    "no side": ({"predictions": [{key: CLAIM[key] for key in ("claim", "plus", "expected")}]}, "predictions: minus is missing"),
    "a side that is no map": ({"predictions": [CLAIM | {"plus": "depth=2"}]}, "predictions: plus: must be a map"),
    "a side of no cells": ({"predictions": [CLAIM | {"plus": []}]}, "predictions: plus: must be a map, key: value, got null"),
    "a place that is null": (
        {"predictions": [CLAIM | {"where": None}]},
        "predictions: where: must be a map, key: value, got null",
    ),
    "both sides the same": ({"predictions": [CLAIM | {"minus": {"depth": 2}}]}, "{depth: 2} is on both sides, plus and minus"),
    "learned, a number": ({"learned": 0.5}, "learned: must be a map"),
    "learned, another key": ({"learned": {"of_best": 0.5}}, "learned: of_best: no such key. Keys: of_own_best, of_best_cell"),
    "learned, in per cent": (
        {"learned": {"of_best_cell": "25 %"}},
        "learned: of_best_cell: must be a share of at least 0 and below 1, got '25 %'. Write 0.25",
    ),
    "learned, all of it": ({"learned": {"of_own_best": 1}}, "of_own_best: must be a share of at least 0 and below 1, got 1"),
    "a claim twice": ({"predictions": [CLAIM, CLAIM]}, "predictions: the claim 'c' comes twice"),
    "a margin in per cent": ({"predictions": [CLAIM | {"margin": "1 %"}]}, "margin: must be a number, got '1 %'. Write 0.01"),
    "a margin in points": (
        {"predictions": [CLAIM | {"margin": 5}]},
        "margin: test/acc is a rate between 0 and 1, got 5. Write 0.05",
    ),
    "an effect in per cent": ({"effect": "1 %"}, "effect: must be a number, got '1 %'. Write 0.01"),
    "an effect in points": (
        {"effect": 5},
        "study=made: effect: test/acc is a rate between 0 and 1, got 5. Write 0.05 for 5 poi",
    ),
    "no effect": ({"effect": 0}, "effect: 'c': must be a size above 0, got 0. Give that prediction one of its own"),
    "an effect that is null": ({"effect": None}, "effect: must be a number, got null"),
    "an effect within the margin": (
        {"effect": 0.01, "predictions": [CLAIM | {"margin": 0.02}]},
        "effect: 'c': must be a size above the margin 0.02, got 0.01. Give that prediction one of its own",
    ),
    "an effect of a prediction within its ratio": (
        {"predictions": [CLAIM | {"metric": "train/seconds", "ratio": 2, "effect": 1.5}]},
        "predictions: effect: 'c': must be a factor above the ratio 2, got 1.5.$",
    ),
    "a factor below 1": (
        {"predictions": [CLAIM | {"metric": "train/seconds", "ratio": 1, "effect": 0.5}]},
        "predictions: effect: 'c': must be a factor above 1, got 0.5",
    ),
    "an effect of an equality beyond its margin": (
        {"predictions": [CLAIM | {"expected": "equal", "margin": 0.02, "effect": 0.02}]},
        "predictions: effect: 'c': must be a size from 0 to below the margin 0.02, got 0.02",
    ),
    "an effect that nothing uses": (
        {"effect": 0.01, "predictions": [CLAIM | {"metric": "test/loss"}]},
        "effect: no prediction uses it",
    ),
    "an effect that is a factor and a difference": (
        {
            "metric": "train/seconds",
            "effect": 1.1,
            "predictions": [CLAIM | {"ratio": 1}, CLAIM | {"claim": "d"}],
        },
        "effect: is a factor where predictions have a ratio, and a difference elsewhere",
    ),
    "published per cent": (
        {"reference": {"values": [{"depth": 1, "value": 89.04}]}},
        "reference: value: test/acc is a rate between 0 and 1, got 89.04. Write 0.8904",
    ),
    "a published text": (
        {"reference": {"values": [{"depth": 1, "value": "89 %"}]}},
        "value: must be a number, got '89 %'. Write 0.89",
    ),
    "a published deviation": (
        {"reference": {"values": [{"depth": 1, "value": 0.9, "sd": 2}]}},
        "reference: sd: test/acc is a rate",
    ),
    "no published number": (
        {"reference": {"values": [{"depth": 1}]}},
        "reference: values: each must be a map with a cell and its",
    ),
    "two published numbers": (
        {"reference": {"values": [{"depth": 1, "value": 0.9}, {"depth": 1, "value": 0.8}]}},
        "reference: {depth: 1} has two published numbers",
    ),
    "a key of the published": ({"reference": {"sources": "x"}}, "reference: sources: no such key"),
    "a pairing": ({"pairing": "both"}, "pairing: must be paired or independent, got both"),
    "a condition": ({"when": {"depth=3": {"width": 2}}}, "when: depth=3 selects no cell"),
    "an expectation": ({"predictions": [CLAIM | {"expected": "more"}]}, "must be greater, less or equal, got more"),
    "no ratio": ({"predictions": [CLAIM | {"ratio": "2"}]}, "predictions: ratio: must be a number, got '2'"),
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


@pytest.mark.parametrize(
    "changes",
    [
        {"exclude": [{"depth": 2, "norm": "bn"}], "where": {"norm": "gn"}},
        {"exclude": [{"depth": 2, "norm": "bn"}, {"depth": 1, "norm": "bn"}]},
        {"zip": ["depth", "width"], "exclude": [{"norm": "bn"}]},
    ],
)
def test_sides_are_alike_if_the_same_is_left_out_of_both(changes, tmp_path):
    sound = {"question": "q", "background": "b", "axes": {"depth": [1, 2], "norm": ["bn", "gn"], "width": [8, 16]}}
    where = {"where": changes.pop("where")} if "where" in changes else {}
    (tmp_path / "made.yaml").write_text(yaml.safe_dump(sound | changes | {"predictions": [CLAIM | where]}))
    assert read_study(str(tmp_path / "made.yaml")).predictions


@pytest.mark.parametrize("effect", [0.01, 1, 5])
def test_an_effect_may_be_any_size_of_which_the_prediction_is_true(effect, tmp_path):
    sound = {"question": "q", "background": "b", "axes": {"depth": [1, 2]}, "metric": "test/loss", "effect": effect}
    equal = CLAIM | {"claim": "d", "expected": "equal", "margin": 0.02, "effect": 0}
    (tmp_path / "made.yaml").write_text(yaml.safe_dump(sound | {"predictions": [CLAIM, equal]}))
    assert read_study(str(tmp_path / "made.yaml")).effect == effect


def test_an_arm_names_a_cell_and_sets_nothing():
    assert label({"arm": "wider", "depth": 2}, Repeat(3), {"epochs": "1"}) == ("depth=2", "seed=3", "epochs=1")


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
