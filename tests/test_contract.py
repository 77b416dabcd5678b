"""Every option of every group passes every check of `dlexp check`, from the moment its file exists."""

import pytest

from dlexp.config.options import groups, list_groups
from dlexp.contract_checks.check import check_part, list_checks
from dlexp.contract_checks.part import find_part
from tests.parts.dataset.test_image_folder import CLASSES, write_image
from tests.parts.dataset.test_torchvision_sets import write_cifar, write_mnist

OPTIONS = sorted((group, option) for group, options in {**groups(), **list_groups()}.items() for option in options)
LARGE = {("model", "resnet18"), ("model", "resnet50")}  # other models show that they resume and use their keys
FILES = {"mnist", "fashion_mnist", "cifar10", "cifar100", "image_folder"}  # other data sets show the same of their common keys
LONG = {"resume", "settings", "same run twice"}
# Four of its keys need long runs to show; tests/parts/scheduler/test_scheduler.py shows each of them.
PLATEAU = ("scheduler", "plateau")
SHORT = {"file", "type", "trains"}  # the checks of resnet50, of which resnet18 shows the rest
# The keys that are not tried, and the tests that show their effect.
ELSEWHERE = {
    "dataset.root": "tests/parts/dataset/test_image_folder.py",
    "dataset.cache_dir": "tests/data/test_cache.py",
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
        return []

    return make


def check(group, option, overrides, *, left_out=frozenset()):
    """Make the checks of an option; returns the sentences on what was not tried."""
    only = [name for name in list_checks(group) if name not in left_out]
    findings = check_part(find_part(group, option), overrides, only)
    assert [problem for finding in findings for problem in finding.problems] == []
    return findings


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_passes_every_check(group, option, files, tmp_path):
    left_out = LONG if (group, option) in LARGE or option in FILES else frozenset()
    if (group, option) == PLATEAU:
        left_out = {"settings"}
    if option == "resnet50":
        left_out = list_checks(group).keys() - SHORT
    findings = check(group, option, [*files(option), f"data_dir={tmp_path / 'data'}"], left_out=left_out)
    not_tried = [text for finding in findings if finding.check == "settings" for text in finding.not_tried]
    assert {text.partition(":")[0] for text in not_tried} <= ELSEWHERE.keys()


@pytest.mark.slow(seconds=60)
@pytest.mark.parametrize(("group", "option"), [*sorted(LARGE), PLATEAU, *(("dataset", option) for option in sorted(FILES))])
def test_large_options_pass_the_long_checks(group, option, files, tmp_path):
    check(group, option, [*files(option), f"data_dir={tmp_path / 'data'}"])
