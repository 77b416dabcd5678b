"""The cells of a recipe: which settings are one switch, and what is refused."""

import pytest

from dlexp.errors import ConfigError
from dlexp.run.plan import plan
from dlexp.study.definition import make_study
from dlexp.study.request import compose_runs, narrow

BASE = {"dataset": "digits", "epochs": 2, "hardware": "cpu"}
GIVEN = {"question": "q", "background": "b", "base": BASE, "seeds": [0]}
SMOOTHING = {"loss.label_smoothing": 0.1}


def make(recipe, **more):
    return make_study("made", GIVEN | {"recipe": recipe} | more)


def arms(study):
    """Arm → what it sets."""
    return {cell["arm"]: {key: value for key, value in cell.items() if key != "arm"} for cell in study.all_cells()}


def test_each_switch_is_put_back_and_added():
    study = make({"dropout": 0.2, "augment": "standard", "augment.padding": 1, **SMOOTHING})
    augmented = {"augment": "standard", "augment.padding": 1}
    assert arms(study) == {
        "recipe": {"dropout": 0.2, **augmented, **SMOOTHING},
        "without dropout": {**augmented, **SMOOTHING},
        "without augment": {"dropout": 0.2, **SMOOTHING},
        "without loss.label_smoothing": {"dropout": 0.2, **augmented},
        "plain": {},
        "only dropout": {"dropout": 0.2},
        "only augment": augmented,
        "only loss.label_smoothing": SMOOTHING,
    }
    assert [(switch["name"], switch["plain"], switch["joined"]) for switch in study.switches] == [
        ("dropout", {"dropout": 0.0}, ""),
        ("augment", {"augment": "none"}, ""),
        ("loss.label_smoothing", {"loss.label_smoothing": 0.0}, ""),
    ]
    runs = compose_runs(study, narrow(study, []))
    assert len({plan(run, "made").identity for run in runs}) == len(runs) == 8


def test_of_two_switches_being_without_one_is_having_the_other_alone():
    study = make({"dropout": 0.2, **SMOOTHING})
    assert arms(study) == {
        "recipe": {"dropout": 0.2, **SMOOTHING},
        "only loss.label_smoothing": SMOOTHING,
        "only dropout": {"dropout": 0.2},
        "plain": {},
    }
    assert [(switch["without"], switch["only"]) for switch in study.switches] == [
        ("only loss.label_smoothing", "only dropout"),
        ("only dropout", "only loss.label_smoothing"),
    ]


def test_settings_of_a_group_in_the_base_are_those_of_the_plain_option():
    base = BASE | {"optimizer": "momentum", "optimizer.momentum": 0.8, "dropout": 0.1}
    study = make({"optimizer": "muon", "optimizer.lr": 0.05, "dropout": 0.2, **SMOOTHING}, base=base)
    assert study.base == BASE
    plain, recipe = arms(study)["plain"], arms(study)["recipe"]
    assert plain == {"optimizer": "momentum", "optimizer.momentum": 0.8, "dropout": 0.1}
    assert recipe == {"optimizer": "muon", "optimizer.lr": 0.05, "dropout": 0.2, **SMOOTHING}
    (config,) = {run.config["optimizer"]["momentum"] for run in compose_runs(study, narrow(study, ["arm=recipe"]))}
    assert config == 0.9  # that of muon, and not that of the base
    assert study.switches[0]["plain"] == {"optimizer": "momentum"}


BOUND = {  # recipe, zip → names of the switches, and what is said of them
    "a setting without effect": (
        {"early_stopping.patience": 1, "early_stopping.min_delta": 0.1, "dropout": 0.2},
        [],
        ["early_stopping.patience + early_stopping.min_delta", "dropout"],
        "early_stopping.patience and early_stopping.min_delta are one switch, because early_stopping.patience cannot be put "
        "back alone: early_stopping.min_delta: has no effect without early stopping",
    ),
    "an option that another one needs": (
        {"augment": "standard", "init": "dirac_whitening", "optimizer": "muon", "model": "speednet", "model.widths": [8, 8]},
        [],
        ["augment", "init + model", "optimizer"],
        "init and model are one switch, because init cannot be added alone: init=dirac_whitening needs a whitening layer",
    ),
    "a setting that only an option has": (
        {"norm": "gn", "norm.groups": 2, "dropout": 0.2},
        [],
        ["norm", "dropout"],
        "",
    ),
    "what is said to go together": (
        {"norm": "gn", "norm.groups": 2, "dropout": 0.2, "width": 16},
        ["norm.groups", "width"],
        ["norm + width", "dropout"],
        "",
    ),
    "several that hang together": (
        {"early_stopping.patience": 1, "early_stopping.min_delta": 0.1, "early_stopping.restore_best": False, "dropout": 0.2},
        [],
        ["early_stopping.patience + early_stopping.min_delta + early_stopping.restore_best", "dropout"],
        "early_stopping.patience, early_stopping.min_delta and early_stopping.restore_best are one switch, because "
        "early_stopping.patience cannot be put back alone",
    ),
}


@pytest.mark.parametrize(("recipe", "together", "names", "said"), BOUND.values(), ids=BOUND.keys())
def test_settings_of_which_one_needs_the_other_are_one_switch(recipe, together, names, said, capsys):
    study = make(recipe, zip=together) if together else make(recipe)
    assert [switch["name"] for switch in study.switches] == names
    compose_runs(study, narrow(study, []))
    printed = capsys.readouterr().err
    assert printed.startswith(said)
    assert bool(said) == bool(printed)


REFUSED = {
    "what the plain run has": (
        {"dropout": 0, "epochs": 4, **SMOOTHING},
        {},
        "recipe: dropout=0: is what the plain run has, too",
    ),
    "an option that the plain run has": ({"optimizer": "adamw", "dropout": 0.2}, {}, "recipe: optimizer=adamw: is what"),
    "what the base has": ({"epochs": 2, "dropout": 0.2}, {}, "recipe: epochs=2: is what the plain run has, too"),
    "a single switch": (
        {"optimizer": "muon", "optimizer.lr": 0.1},
        {},
        "recipe: has a single switch, optimizer. An ablation needs",
    ),
    "switches that are all one": (
        {"early_stopping.patience": 1, "early_stopping.min_delta": 0.1},
        {},
        "recipe: early_stopping.patience and early_stopping.min_delta are one switch.* needs at least 2 switches",
    ),
    "a key": ({"droput": 0.2, "width": 16}, {}, "the recipe: droput=0.2: no such key. Did you mean dropout=0.2?"),
    "a value": ({"dropout": 2, "width": 16}, {}, "the recipe: dropout: must be a number at least 0 and below 1, got 2"),
    "a plain run": (
        {"model": "mlp", "dropout": 0.2},
        {"base": BASE | {"dataset": "moons"}},
        "the plain run: model=convnet needs images.*`base` says what it has",
    ),
    "other data": ({"dataset.test_fraction": 0.3, "dropout": 0.2}, {}, "recipe: dataset.test_fraction: says on which examples"),
    "a probe": ({"probe": ["grad_flow"], "dropout": 0.2}, {}, "recipe: probe: measures, and changes no number"),
    "what changes no run": ({"jobs": 2, "dropout": 0.2}, {}, "recipe: jobs: changes no number of a run"),
    "a seed": ({"seed": 2, "dropout": 0.2}, {}, "recipe: seed: write `seeds`"),
    "an arm": ({"arm": "a", "dropout": 0.2}, {}, "recipe: arm names a cell"),
    "axes": ({"dropout": 0.2}, {"axes": {"depth": [1, 2]}}, "axes: cannot stand beside a recipe: the recipe makes the cells"),
    "cells": ({"dropout": 0.2}, {"cells": [{"depth": 1}]}, "cells: cannot stand beside a recipe"),
    "looks": ({"dropout": 0.2}, {"looks": [5, 10]}, "looks: cannot stand beside a recipe: its intervals are for one number"),
    "a word in zip": (
        {"dropout": 0.2, "width": 16},
        {"zip": ["dropout", "wdth"]},
        "zip: wdth is not in the recipe.* mean width",
    ),
    "a key twice in zip": ({"dropout": 0.2, "width": 16}, {"zip": ["width", "width"]}, "zip: width comes twice"),
    "one key in zip": ({"dropout": 0.2, "width": 16}, {"zip": ["width"]}, r"zip: \[width\] is one setting"),
    "a recipe that is no map": (["dropout"], {}, r"recipe: must be a map, key: value, got \['dropout'\]"),
    "an empty recipe": ({}, {}, "recipe: has no settings"),
    "a metric that no run has": ({"dropout": 0.2, "width": 16}, {"metric": "test/ac"}, "metric: no run has a metric test/ac"),
}


@pytest.mark.parametrize(("recipe", "more", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_recipe_that_makes_no_sense_is_refused(recipe, more, message):
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        make(recipe, **more)


def test_a_recipe_may_be_tuned_and_predicted_about():
    claim = {"claim": "c", "plus": {"arm": "recipe"}, "minus": {"arm": "without dropout"}, "expected": "greater"}
    study = make(
        {"dropout": 0.2, "width": 16, **SMOOTHING}, tune={"optimizer.lr": [0.01, 0.1]}, predictions=[claim], effect=0.01
    )
    assert len(compose_runs(study, narrow(study, []))) == 16
    with pytest.raises(ConfigError, match="tune: width: is set in the axes or cells, too"):
        make({"dropout": 0.2, "width": 16}, tune={"width": [8, 16]})


def test_an_effect_is_that_of_the_switches_where_there_are_no_predictions():
    assert make({"dropout": 0.2, "width": 16}, effect=0.01).effect == 0.01
