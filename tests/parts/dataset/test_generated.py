"""The data sets that need no download: digits, moons, circles, noisy_line, sine, synthetic_images."""

import subprocess
import sys

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from dlexp.contract import ConfigError
from dlexp.parts.dataset import circles, digits, moons, noisy_line, sine, synthetic_images

READERS = {
    "digits": (digits.read, {"test_fraction": 0.2}),
    "moons": (moons.read, {"num_examples": 1000, "noise": 0.3, "test_fraction": 0.3}),
    "circles": (circles.read, {"num_examples": 1000, "noise": 0.2, "factor": 0.5, "test_fraction": 0.3}),
    "noisy_line": (noisy_line.read, {"num_train": 50, "num_test": 50, "noise": 0.3}),
    "sine": (sine.read, {"num_examples": 1000, "window": 32, "period": 23.7, "noise": 0.1, "test_fraction": 0.2}),
    "synthetic_images": (
        synthetic_images.read,
        {"shape": [3, 8, 8], "num_classes": 10, "num_train": 300, "num_test": 200, "noise": 0.2},
    ),
}
SIZES = {
    "digits": (1437, 360),
    "moons": (700, 300),
    "circles": (700, 300),
    "noisy_line": (50, 50),
    "sine": (800, 200),
    "synthetic_images": (300, 200),
}
SHAPES = {
    "digits": (1, 8, 8),
    "moons": (2,),
    "circles": (2,),
    "noisy_line": (1,),
    "sine": (32, 1),
    "synthetic_images": (3, 8, 8),
}
CLASSES = {"digits": 10, "moons": 2, "circles": 2, "noisy_line": 0, "sine": 0, "synthetic_images": 10}

every = pytest.mark.parametrize("name", READERS)
classified = pytest.mark.parametrize("name", [name for name in READERS if CLASSES[name]])


def read(name, data_seed=42, **changes):
    reader, parameters = READERS[name]
    return reader(**{**parameters, **changes}, data_seed=data_seed)


@every
def test_has_the_sizes_of_the_published_protocol(name):
    source = read(name)
    assert (len(source.train.inputs), len(source.test.inputs)) == SIZES[name]
    assert source.train.inputs.shape[1:] == source.test.inputs.shape[1:] == SHAPES[name]
    assert len(source.classes) == CLASSES[name]


@every
@pytest.mark.parametrize("part", ["train", "test"])
def test_has_the_types_of_the_contract(name, part):
    split = getattr(read(name), part)
    assert split.inputs.dtype == (torch.uint8 if len(SHAPES[name]) == 3 else torch.float32)
    assert split.targets.dtype == (torch.int64 if CLASSES[name] else torch.float32)
    assert split.targets.shape == ((len(split.inputs),) if CLASSES[name] else (len(split.inputs), 1))


@every
def test_same_seed_same_data_other_seed_other_data(name):
    first, again, other = read(name), read(name), read(name, data_seed=43)
    for part in ("train", "test"):
        assert torch.equal(getattr(first, part).inputs, getattr(again, part).inputs)
        assert torch.equal(getattr(first, part).targets, getattr(again, part).targets)
    assert not torch.equal(first.train.targets, other.train.targets)


@classified
def test_classes_are_as_frequent_in_test_as_in_train(name):
    source = read(name)
    shares = [split.targets.bincount() / len(split.targets) for split in (source.train, source.test)]
    torch.testing.assert_close(*shares, atol=0.005, rtol=0)


@pytest.mark.parametrize("name", ["moons", "circles"])
def test_train_and_test_share_no_example(name):
    source = read(name)
    assert len(torch.cat([source.train.inputs, source.test.inputs]).unique(dim=0)) == 1000


def test_digits_are_split_as_scikit_learn_splits_them():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, targets = load_digits(return_X_y=True)
    expected = train_test_split(images, targets, test_size=0.2, stratify=targets, random_state=42)
    source = read("digits")
    assert torch.equal(source.train.inputs.flatten(1), torch.from_numpy(expected[0]).to(torch.uint8))
    assert torch.equal(source.test.targets, torch.from_numpy(expected[3]))
    assert source.train.inputs.max() == 16


def test_noisy_line_is_a_line_under_noise_of_its_own_in_each_split():
    source = read("noisy_line", num_train=2000, num_test=2000)
    residuals = [split.targets - split.inputs for split in (source.train, source.test)]
    assert torch.equal(source.train.inputs[:, 0], torch.linspace(-1, 1, 2000))
    assert torch.equal(source.train.inputs, source.test.inputs)
    assert [float(residual.std()) for residual in residuals] == pytest.approx([0.3, 0.3], rel=0.06)
    assert abs(float(torch.corrcoef(torch.cat(residuals, dim=1).T)[0, 1])) < 0.08


def test_a_sine_is_cut_into_windows_that_share_no_value_and_ends_in_the_test_split():
    source = read("sine", window=7, noise=0.0)
    parts = [torch.cat([split.inputs[:, :, 0], split.targets], dim=1).flatten() for split in (source.train, source.test)]
    series = torch.cat(parts)
    times = torch.arange(len(series))
    assert len(series) == 8 * 1000
    waves = torch.stack([torch.sin(2 * torch.pi * times / 23.7), torch.cos(2 * torch.pi * times / 23.7)], dim=1)
    fitted = waves @ torch.linalg.lstsq(waves, series[:, None]).solution
    torch.testing.assert_close(fitted[:, 0], series, atol=0.01, rtol=0)
    assert series.abs().max() == pytest.approx(1, abs=0.01)


def test_the_noise_of_a_sine_is_added_to_it():
    clean, noisy = read("sine", noise=0.0), read("sine", noise=0.3)
    assert float((noisy.train.inputs - clean.train.inputs).std()) == pytest.approx(0.3, rel=0.02)
    assert float((noisy.test.targets - clean.test.targets).std()) == pytest.approx(0.3, rel=0.2)


def test_a_sine_all_of_which_would_be_test_is_refused():
    with pytest.raises(ConfigError, match=r"dataset\.test_fraction: expected a share .* got 0\.9999 of 1000"):
        read("sine", test_fraction=0.9999)


@pytest.mark.parametrize("name", ["noisy_line", "synthetic_images"])
def test_the_test_split_does_not_depend_on_how_much_there_is_to_train_on(name):
    few, many = read(name, num_train=40), read(name, num_train=400)
    assert torch.equal(few.test.inputs, many.test.inputs)
    assert torch.equal(few.test.targets, many.test.targets)


@pytest.mark.parametrize("shape", [[3, 8, 8], [1, 28, 20], [4, 2, 3]])
def test_synthetic_images_can_be_learnt(shape):
    source = read("synthetic_images", shape=shape, num_classes=5)
    inputs = [split.inputs.flatten(1).float().div(255).numpy() for split in (source.train, source.test)]
    model = LogisticRegression(max_iter=200).fit(inputs[0], source.train.targets)
    assert model.score(inputs[1], source.test.targets) > 0.6


@pytest.mark.parametrize("name", ["digits", "moons", "circles"])
@pytest.mark.parametrize("test_fraction", [0.0001, 0.9999])
def test_a_share_that_empties_a_class_is_refused(name, test_fraction):
    with pytest.raises(ConfigError, match=r"dataset\.test_fraction: expected a share .* got "):
        read(name, test_fraction=test_fraction)


def test_digits_need_no_torchvision():
    code = """
import sys
sys.modules["torchvision"] = None
import dlexp.parts.dataset.image_folder, dlexp.parts.dataset.torchvision_sets
from dlexp.parts.dataset.digits import read
from dlexp.data.prepare import prepare
source = read(test_fraction=0.2, data_seed=42)
prepare(source, per_class=None, val_fraction=0.1, scale="standardize", scale_on="train", data_seed=42)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
