"""Every option of every group is built and trained for a few steps, from the moment its file exists."""

import inspect
import math

import pytest
import torch
from hydra.utils import get_method

from dlexp.config.options import CONF, default_choices, groups, read_option, traits
from dlexp.config.values import find_references
from tests.parts.dataset.test_image_folder import CLASSES, write_image
from tests.parts.dataset.test_torchvision_sets import write_cifar, write_mnist
from tests.runs import IMAGES, MOONS, SERIES, run

OPTIONS = sorted(f"{group}={option}" for group, options in groups().items() for option in options)
NEEDS_GPU = {"precision=tf32", "hardware=cuda"}
RUNS = {"images": IMAGES, "features": MOONS, "series": SERIES}  # the smallest run on each kind of data
SMALL = {"num_examples": 60, "window": 8, "shape": "[3,8,8]", "num_classes": 3, "num_train": 60, "num_test": 30}


def base(option):
    """The smallest run that an option can be part of, by what the files of the options say."""
    group, _, name = option.partition("=")
    if group == "dataset":
        (kind,) = traits(group, name).gives
        small = [f"dataset.{key}={value}" for key, value in SMALL.items() if key in read_option(group, name)]
        others = [text for text in RUNS[kind] if not text.startswith("dataset")]
        return (*others, *small, "loss=mse", "val_fraction=0.4")  # this loss takes classes and numbers
    model = name if group == "model" else _model_for(traits(group, name).needs)
    kind = next((kind for kind in traits("model", model).needs if kind in RUNS), "images")
    keys = read_option("model", model)
    unused = tuple(f"{key}=" for key in ("depth", "width") if key not in find_references(keys))
    small = ["model.widths=[8,12]"] if keys.get("widths") else []
    return (*(text for text in RUNS[kind] if not text.startswith(unused)), f"model={model}", *small)


def _model_for(needs):
    """The first model that has what an option needs of a model; the default one where it needs nothing of it."""
    fitting = [model for model in groups()["model"] if set(needs) & set(traits("model", model).has)]
    return fitting[0] if fitting else default_choices()["model"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The overrides that a dataset of files needs, with small files in place."""

    def make(option):
        name = option.removeprefix("dataset=")
        if name in ("mnist", "fashion_mnist"):
            write_mnist(tmp_path / "data", name, monkeypatch)
        elif name in ("cifar10", "cifar100"):
            write_cifar(tmp_path / "data", name, monkeypatch)
            return ["val_fraction=0"] if name == "cifar100" else []  # too few examples of each class to hold some out
        elif name == "image_folder":
            for place in (
                f"{split}/{label}/{index}.png" for split in ("train", "test") for label in CLASSES for index in range(8)
            ):
                write_image(tmp_path / "data" / "images" / place, size=(8, 8))
            return ["dataset.root=" + str(tmp_path / "data" / "images")]
        return []

    return make


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains(option, files, tmp_path):
    if option in NEEDS_GPU and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    overrides = [text for text in base(option) if not text.startswith("epochs")]
    beside = [*files(option), f"data_dir={tmp_path / 'data'}", "max_steps=3"]
    summary, rows = run(*overrides, option, *beside, root=tmp_path / "outputs")
    assert summary["status"] == "done", summary.get("reason")
    assert summary["steps"] == 3
    assert all(math.isfinite(float(rows[-1][name])) for name in ("train/loss", "train/grad_norm"))
    assert math.isfinite(summary["metrics"]["test/loss"])


OWN = [option for option in OPTIONS if "_target_: dlexp." in (CONF / f"{option.replace('=', '/')}.yaml").read_text()]
FOR_EVERY_DATASET = {"per_class", "scale", "scale_on"}  # used by dlexp.data.prepare, whatever the reader


@pytest.mark.parametrize("option", [option for option in OWN if not option.startswith("precision")])
def test_a_file_lists_every_parameter_that_its_factory_takes_from_the_config(option):
    content = read_option(*option.split("="))
    parameters = inspect.signature(get_method(content["_target_"])).parameters.values()
    taken = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert set(content) - {"_target_", "_partial_"} - FOR_EVERY_DATASET == taken
