"""Every option of every group is built and trained for a few steps, from the moment its file exists."""

import inspect
import math

import pytest
import torch
from hydra.utils import get_method

from dlexp.config.options import CONF, groups, read_option
from tests.parts.dataset.test_image_folder import CLASSES, write_image
from tests.parts.dataset.test_torchvision_sets import write_cifar, write_mnist
from tests.runs import IMAGES, MOONS, SERIES, run

OPTIONS = sorted(f"{group}={option}" for group, options in groups().items() for option in options)
NEEDS_GPU = {"precision=tf32", "hardware=cuda"}
FEATURES = {"moons", "circles"}
FILES = {"digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "image_folder"}
SMALL_NET = ("depth=2", "width=16", "batch_size=8", "epochs=1")
WITHOUT_SHAPE = tuple(text for text in IMAGES if not text.startswith(("depth", "width")))


def base(option):
    """The smallest run that an option can be part of."""
    group, _, name = option.partition("=")
    if group == "dataset" and name in FEATURES:
        return MOONS
    if group == "dataset" and name in FILES:
        return (*SMALL_NET, "val_fraction=0" if name == "cifar100" else "val_fraction=0.4")
    if option == "dataset=noisy_line":
        return (*SMALL_NET, "model=mlp", "loss=mse")
    if option in ("dataset=sine", "model=lstm"):
        return SERIES
    if name.startswith("resnet"):
        return (*(text for text in WITHOUT_SHAPE if not text.startswith("epochs")), "epochs=1")
    if name in ("speednet", "dirac_whitening"):
        return (*WITHOUT_SHAPE, "dataset.shape=[3,9,9]", "model=speednet", "model.widths=[8,12]")
    return IMAGES


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The overrides that a dataset of files needs, with small files in place."""

    def make(option):
        name = option.removeprefix("dataset=")
        if name in ("mnist", "fashion_mnist"):
            write_mnist(tmp_path / "data", name, monkeypatch)
        elif name in ("cifar10", "cifar100"):
            write_cifar(tmp_path / "data", name, monkeypatch)
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
