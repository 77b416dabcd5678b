"""What the YAML files of the data sets and augmentations promise."""

import importlib
import inspect

import pytest
import yaml

from tests import ROOT

CONF = ROOT / "conf"
COMMON = {"per_class", "scale", "scale_on"}  # what every dataset has and no reader receives


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def load(group, option):
    return yaml.safe_load((CONF / group / f"{option}.yaml").read_text())


def factory(config):
    module, name = config["_target_"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in ("dataset", "augment") for option in options(group)]
)
def test_yaml_lists_every_parameter_and_nothing_else(group, option):
    config = load(group, option)
    keys = {key for key in config if not key.startswith("_")} - (COMMON if group == "dataset" else set())
    assert config["_partial_"] is True
    assert keys == set(inspect.signature(factory(config)).parameters)


@pytest.mark.parametrize("option", options("dataset"))
def test_every_dataset_has_the_common_options(option):
    config = load("dataset", option)
    assert config["per_class"] is None
    assert config["scale"] == ("none" if option == "noisy_line" else "standardize")
    assert config["scale_on"] == "train"


def test_defaults_of_the_generated_sets_are_the_published_protocols():
    assert load("dataset", "digits")["test_fraction"] == 0.2
    moons, circles, line = (load("dataset", option) for option in ("moons", "circles", "noisy_line"))
    assert (moons["num_examples"], moons["noise"], moons["test_fraction"]) == (1000, 0.3, 0.3)
    assert (circles["num_examples"], circles["noise"], circles["factor"], circles["test_fraction"]) == (1000, 0.2, 0.5, 0.3)
    assert (line["num_train"], line["num_test"], line["noise"]) == (50, 50, 0.3)
