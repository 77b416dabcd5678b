"""The real images, where they are: in the folder that DLEXP_DATA names, or in data/."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dlexp.data.prepare import prepare
from dlexp.parts.dataset import image_folder, torchvision_sets
from tests import ROOT
from tests.parts.dataset.test_image_folder import DEFAULTS
from tests.runs import run

DATA = Path(os.environ.get("DLEXP_DATA", ROOT / "data"))
pytestmark = pytest.mark.real_data


def folder(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there")
    return DATA / name


def test_fashion_mnist():
    folder("FashionMNIST")
    source = torchvision_sets.fashion_mnist(root=str(DATA))
    assert source.train.inputs.shape == (60000, 1, 28, 28)
    assert source.test.targets.bincount().tolist() == [1000] * 10
    dataset = prepare(source, per_class=None, val_fraction=0, scale="standardize", scale_on="train", data_seed=42)
    assert dataset.shift.item() / 255 == pytest.approx(0.2860, abs=1e-4)  # as published everywhere
    assert 1 / dataset.factor.item() / 255 == pytest.approx(0.3530, abs=1e-4)


def test_fashion_mnist_as_arrays_trains_as_the_built_in_one(tmp_path):
    folder("FashionMNIST")
    source = torchvision_sets.fashion_mnist(root=str(DATA))
    arrays = {
        f"{kind}_{name}": values.squeeze(1).numpy() if kind == "x" else values.numpy()
        for name, split in (("train", source.train), ("test", source.test))
        for kind, values in zip("xy", split, strict=True)
    }
    np.savez(tmp_path / "fashion.npz", **arrays)
    common = ("epochs=1", "depth=2", "width=8", "dataset.per_class=1000")
    file = [f"dataset.train={tmp_path / 'fashion.npz'}", f"data_dir={tmp_path}"]
    of_arrays = run("dataset=npz", *file, *common, root=tmp_path / "arrays")
    built_in = run("dataset=fashion_mnist", f"data_dir={DATA}", *common, root=tmp_path / "built_in")
    assert of_arrays[1] == built_in[1]
    assert of_arrays[0]["metrics"] == built_in[0]["metrics"]


def test_cifar10_images(tmp_path):
    root = folder("cifar10_jpeg")
    parameters = {**DEFAULTS, "root": str(root), "cache_dir": str(tmp_path)}
    source, again = image_folder.read(**parameters), image_folder.read(**parameters)  # no image is in train and test
    assert source.train.inputs.shape == (50000, 3, 32, 32)
    assert torch.equal(source.train.inputs, again.train.inputs)
    dataset = prepare(source, per_class=200, val_fraction=0.1, scale="standardize", scale_on="train", data_seed=42)
    assert dataset.train.targets.bincount().tolist() == [180] * 10
    assert (dataset.shift.flatten() / 255).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.02)


def test_fashion_mnist_written_as_png_files_is_the_same(tmp_path):
    folder("FashionMNIST")
    source = torchvision_sets.fashion_mnist(root=str(DATA))
    expected = {}
    for part, count in (("train", 400), ("test", 100)):
        inputs, targets = (values[:count] for values in getattr(source, part))
        for index, (pixels, label) in enumerate(zip(inputs, targets.tolist(), strict=True)):
            path = tmp_path / "images" / part / f"{label} {source.classes[label].replace('/', ' or ')}" / f"{index:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[0].numpy()).save(path)
        order = sorted(range(count), key=lambda index: (int(targets[index]), index))
        expected[part] = inputs[order], targets[order]
    read = image_folder.read(**{**DEFAULTS, "root": str(tmp_path / "images"), "cache_dir": str(tmp_path), "channels": 1})
    assert [name[2:].replace(" or ", "/") for name in read.classes] == list(source.classes)
    for part, (inputs, targets) in expected.items():
        assert torch.equal(getattr(read, part).inputs, inputs)
        assert torch.equal(getattr(read, part).targets, targets)
