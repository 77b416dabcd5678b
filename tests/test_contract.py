"""Every option of every group passes every check of `dlexp check`, from the moment its file exists."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dlexp.config.options import default_choices, groups, list_groups
from dlexp.contract_checks.check import check_part, list_checks
from dlexp.contract_checks.part import find_part
from tests.parts.dataset.test_image_folder import CLASSES, write_image
from tests.parts.dataset.test_torchvision_sets import write_cifar, write_mnist

OPTIONS = sorted((group, option) for group, options in {**groups(), **list_groups()}.items() for option in options)
# The checks that only a slow test makes of an option, because tests beside it show the same.
TWICE = {"same run twice", "resume"}  # the default option of each group has them
IMAGES = ("mnist", "fashion_mnist", "cifar10", "cifar100", "image_folder")  # data sets of files, of which tests write a few
FILES = (*IMAGES, "csv_table", "npz")
LEFT_OUT = {
    ("model", "resnet18"): TWICE | {"settings"},  # convnet
    ("model", "resnet50"): {*list_checks("model")} - {"file", "type", "trains"},  # resnet18
    ("scheduler", "plateau"): TWICE | {"settings"},  # tests/parts/scheduler/test_scheduler.py
} | {("dataset", name): TWICE | {"settings"} for name in FILES}
# The keys that are not tried, and the tests that show their effect.
ELSEWHERE = {
    "dataset.root": "tests/parts/dataset/test_image_folder.py",
    "dataset.cache_dir": "tests/data/test_cache.py",
    "dataset.labels": "tests/data/test_image_table.py",
    "dataset.test_folder": "tests/data/test_image_layout.py",
    "model.cell": "tests/parts/model/test_lstm.py: the numbers are the same",
    "optimizer.fused": "tests/run/test_execute.py: the same to rounding, for plain SGD to the last digit",
    "all keys": "tests/machine/test_device.py: those of hardware",
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The overrides that a dataset of files needs, with small files in place."""

    def make(name):
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
        elif name == "csv_table":
            rows = [f"{index / 4},{index * 7 % 11 or ''},{'uvw'[index % 3]},{index % 2}" for index in range(60)]
            (tmp_path / "table.csv").write_text("\n".join(["x,z,kind,label", *rows]))
            keys = ["test_fraction=0.2", "label=label", "missing=mean"]
            return [f"dataset.train={tmp_path / 'table.csv'}", *(f"dataset.{key}" for key in keys)]
        elif name == "npz":
            images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
            np.savez(tmp_path / "arrays.npz", x=images, y=np.arange(60) % 3)
            return [f"dataset.train={tmp_path / 'arrays.npz'}", "dataset.test_fraction=0.2"]
        return []

    return make


@pytest.fixture(autouse=True)
def _record_in_memory(monkeypatch):
    """Let the temporary folders of the checks lie in memory where the system has that: a run writes many small files."""
    if Path("/dev/shm").is_dir():
        monkeypatch.setattr("tempfile.tempdir", "/dev/shm")


def check(group, option, overrides, *, left_out=frozenset()):
    """Make the checks of an option, none of which may find a problem."""
    only = [name for name in list_checks(group) if name not in left_out]
    # In a thread of its own, because Python 3.11 allocates and frees memory at each call where its stack of frames is as deep
    # as it is here: pytest, the wrappers that check types, and a run.
    with ThreadPoolExecutor(1) as executor:
        findings = executor.submit(check_part, find_part(group, option), overrides, only).result()
    assert [problem for finding in findings for problem in finding.problems] == []
    return findings


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_passes_the_checks(group, option, files, tmp_path):
    is_default = default_choices().get(group) == option or (group, option) == ("probe", "grad_flow")
    left_out = LEFT_OUT.get((group, option), set() if is_default else TWICE)
    shorter = ["max_steps=2"] if option.startswith("resnet") else []
    findings = check(group, option, [*files(option), *shorter, f"data_dir={tmp_path / 'data'}"], left_out=left_out)
    not_tried = [text for finding in findings if finding.check == "settings" for text in finding.not_tried]
    assert {text.partition(":")[0] for text in not_tried} <= ELSEWHERE.keys()


@pytest.mark.slow(seconds=60)
@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_passes_the_long_checks_too(group, option, files, tmp_path):
    left_out = {"settings"} if option in IMAGES else set()  # too few files for some keys; tests/parts/dataset has their effects
    check(group, option, [*files(option), f"data_dir={tmp_path / 'data'}"], left_out=left_out)
