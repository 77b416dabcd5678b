"""The data sets that are downloaded to `data_dir`: whether their files are there and complete."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

from dlexp.config.options import groups, read_option, traits
from dlexp.contract import Dataset, Split
from dlexp.doctor.findings import Finding, Section, problem

WORDS = {
    "there": "complete",
    "archived": "downloaded; the first run unpacks it",
    "incomplete": "incomplete or damaged",
    "absent": "not downloaded",
}


@dataclass(frozen=True)
class Files:
    """The files of one data set.

    Args:
        option: Option of the group `dataset`.
        state: `there`; `archived`: downloaded, not yet unpacked; `incomplete`: files are missing or damaged; `absent`.
        bad: The files that are missing or damaged.
    """

    option: str
    state: str
    bad: list[str]


@cache
def find_downloads() -> dict[str, ModuleType]:
    """The options of `dataset` that are read from `data_dir` or downloaded to it, and their modules.

    Such a module has `check_files(option, root)`, which checks the files, and `PUBLISHED`, which has their sizes.
    """
    options = {option: read_option("dataset", option) for option in groups()["dataset"]}
    here = {option: keys["_target_"] for option, keys in options.items() if keys.get("root") == "${data_dir}"}
    return {option: import_module(target.rpartition(".")[0]) for option, target in here.items()}


def check_downloads(root: str, packages: Collection[str]) -> list[Files]:
    """Check the files of each data set in a folder.

    Args:
        root: The folder.
        packages: The Python packages that can be imported. Data sets that require another are left out.
    """
    options = (option for option in find_downloads() if set(traits("dataset", option).requires) <= set(packages))
    return [_check(option, root) for option in options]


def judge(found: list[Files], option: str, root: str) -> list[Finding]:
    """What the run's own data set lacks.

    Args:
        found: All data sets.
        option: The run's.
        root: The folder in which they were looked for.
    """
    files = {files.option: files for files in found}.get(option)
    if files is None or files.state in ("there", "archived"):
        return []
    if files.state == "absent":
        return [problem(f"dataset={option} is not in {root}: the first run downloads it, which needs a network connection.")]
    return [problem(f"dataset={option} is incomplete or damaged: delete or replace {', '.join(files.bad)}.")]


def build_section(found: list[Files], option: str, root: str) -> Section:
    """The section on the data sets. Arguments as of `judge`."""
    lines = [(files.option, WORDS[files.state]) for files in found]
    return Section("data", {"data_dir": root, "sets": [asdict(files) for files in found]}, lines, judge(found, option, root))


def make_placeholder(option: str, config: Mapping[str, Any]) -> Dataset:
    """A data set with the published sizes of one whose files are missing. It takes no memory.

    Args:
        option: One of `find_downloads`.
        config: Resolved.
    """
    shape, num_classes, num_train, num_test = find_downloads()[option].PUBLISHED[option]
    total = (config["dataset"]["per_class"] or num_train // num_classes) * num_classes
    num_val = round(total * config["val_fraction"])
    return Dataset(
        train=_make_split(total - num_val, shape),
        val=_make_split(num_val, shape) if num_val else None,
        test=_make_split(num_test, shape),
        classes=tuple(str(label) for label in range(num_classes)),
        shift=torch.zeros(()),
        factor=torch.ones(()),
    )


def _check(option: str, root: str) -> Files:
    files = find_downloads()[option].check_files(option, root)
    if files.damaged or files.missing and files.complete and not files.archived:
        return Files(option, "incomplete", [str(path) for path in (*files.damaged, *files.missing)])
    return Files(option, "there" if not files.missing else "archived" if files.archived else "absent", [])


def _make_split(count: int, shape: tuple[int, ...]) -> Split:
    zero = torch.zeros((), dtype=torch.uint8)  # expanded, it takes no memory
    return Split(zero.expand(count, *shape), torch.zeros((), dtype=torch.int64).expand(count))
