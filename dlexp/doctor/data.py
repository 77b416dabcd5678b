"""The data sets that are read from files: which of them are there, and what those are that are not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from dlexp.contract import Dataset, Split
from dlexp.doctor.findings import Finding, Section, problem
from dlexp.parts.dataset.torchvision_sets import SETS, FileStatus, check_files

# Shape of an image, number of classes, of training and of test examples: as their authors published them.
PUBLISHED = {
    "mnist": ((1, 28, 28), 10, 60000, 10000),
    "fashion_mnist": ((1, 28, 28), 10, 60000, 10000),
    "cifar10": ((3, 32, 32), 10, 50000, 10000),
    "cifar100": ((3, 32, 32), 100, 50000, 10000),
}
WORDS = {
    "there": "there",
    "archived": "there, to be unpacked by its first run",
    "incomplete": "not whole",
    "absent": "not there",
}


@dataclass(frozen=True)
class Found:
    """One data set.

    Args:
        option: Of the group `dataset`.
        state: `there`; `archived`: downloaded, not yet unpacked; `incomplete`: files are missing or damaged; `absent`.
        bad: The files that are missing or damaged.
    """

    option: str
    state: str
    bad: list[str]


def look(root: str) -> list[Found]:
    """Each data set that lies in `data_dir` or is downloaded to it. Needs torchvision, as reading them does."""
    return [_found(option, check_files(option, root)) for option in SETS]


def judge(found: list[Found], option: str, root: str) -> list[Finding]:
    """What the run's own data set lacks.

    Args:
        found: All of them.
        option: The run's.
        root: Where they were looked for.
    """
    state = {one.option: one for one in found}.get(option)
    if state is None or state.state in ("there", "archived"):
        return []
    if state.state == "absent":
        return [problem(f"dataset={option} is not in {root}: its first run downloads it, where there is a network.")]
    return [problem(f"dataset={option} is not whole: delete or replace {', '.join(state.bad)}.")]


def section(found: list[Found], option: str, root: str) -> Section:
    """The data sets."""
    lines = [(one.option, WORDS[one.state]) for one in found]
    return Section("data", {"data_dir": root, "sets": [asdict(one) for one in found]}, lines, judge(found, option, root))


def stand_in(option: str, config: Mapping[str, Any]) -> Dataset:
    """The run's data set as far as it is known without its files: as many examples of that shape, all of them empty.

    Args:
        option: Of `PUBLISHED`.
        config: Resolved.
    """
    shape, num_classes, num_train, num_test = PUBLISHED[option]
    total = (config["dataset"]["per_class"] or num_train // num_classes) * num_classes
    num_val = round(total * config["val_fraction"])
    return Dataset(
        train=_empty(total - num_val, shape),
        val=_empty(num_val, shape) if num_val else None,
        test=_empty(num_test, shape),
        classes=tuple(str(label) for label in range(num_classes)),
        shift=torch.zeros(()),
        factor=torch.ones(()),
    )


def _found(option: str, files: FileStatus) -> Found:
    state = "there"
    if files.damaged or files.missing and files.complete:
        state = "incomplete"
    elif files.missing:
        state = "absent"
    bad = [str(path) for path in (*files.damaged, *files.missing)] if state == "incomplete" else []
    return Found(option, "archived" if files.missing and files.archived and not files.damaged else state, bad)


def _empty(count: int, shape: tuple[int, ...]) -> Split:
    one = torch.zeros((), dtype=torch.uint8)  # expanded, it takes no memory
    return Split(one.expand(count, *shape), torch.zeros((), dtype=torch.int64).expand(count))
