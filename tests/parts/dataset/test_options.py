"""What the YAML files of the data sets and augmentations promise."""

import pytest
import yaml

from tests import ROOT

CONF = ROOT / "conf"


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def load(group, option):
    return yaml.safe_load((CONF / group / f"{option}.yaml").read_text())


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
