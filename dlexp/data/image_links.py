"""Images that are counted several times because links lead to one file or folder under several names."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from dlexp.config.values import show_path
from dlexp.data.image_names import Found, Labelled, list_some
from dlexp.errors import ConfigError, DatasetError


def check_class_folders(found: Found, folders: Iterable[str], classes: Sequence[str]) -> None:
    """Refuse two names of classes that are one folder, by a link to it.

    Args:
        found: The names below the root.
        folders: The folder of each split, from the root.
        classes: The names of the class folders in each of them.

    Raises:
        ConfigError: With all such names.
    """
    pairs = []
    for folder in folders:
        names: dict[tuple[int, int], str] = {}
        for name in (f"{folder}/{label}".lstrip("/") for label in classes):
            other = names.setdefault(_identify(found.root / name), name)
            pairs += [(other, name)] if other != name else []
    if pairs:
        lines = [f"{show_path(found.show(name))} = {show_path(found.show(other))}" for other, name in pairs]
        raise ConfigError(
            f"dataset.root: expected a folder for each class, found folders with two names:{list_some(lines)}\n"
            "Remove one name of each, which is a link."
        )


def check_links(root: Path, splits: Mapping[str, Labelled], hashes: Sequence[Tensor]) -> None:
    """Refuse images that links, symbolic or hard, count several times in one split. Copies of a file are not refused.

    Args:
        root: The folder of the images.
        splits: The images of each split.
        hashes: 64 bits of the hash of each file of each split, int64 [N].

    Raises:
        ConfigError: With their names.
        DatasetError: If a file has gone since it was read.
    """
    pairs = []
    for labelled, of_files in zip(splits.values(), hashes, strict=True):
        _, places, counts = of_files.unique(return_inverse=True, return_counts=True)
        names: dict[tuple[int, int], str] = {}
        for index in (counts[places] > 1).nonzero().flatten().tolist():  # the files of one content: few, as a rule
            name = labelled.names[index]
            other = names.setdefault(_identify(root / name), name)
            pairs += [(name, other)] if other != name else []
    if pairs:
        raise ConfigError(
            f"dataset.duplicates: expected each image once in a split, found {len(pairs):,} counted again by links:"
            f"{list_some(describe_pairs(root, pairs))}\nRemove the links, or give dataset.duplicates=keep."
        )


def describe_pairs(root: Path, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each pair of names of one content; where links make them one folder, a line for the folder alone."""
    return list(
        dict.fromkeys(f"{show_path(one)} = {show_path(other)}" for one, other in (_climb(root, *pair) for pair in pairs))
    )


def _climb(root: Path, one: str, other: str) -> tuple[str, str]:
    """The highest folders that hold two files under the same names, if they are one folder; else the files."""
    while True:
        (above, _, name), (above_other, _, name_other) = one.rpartition("/"), other.rpartition("/")
        if name != name_other or not above or not above_other or _identify(root / above) != _identify(root / above_other):
            return one, other
        one, other = above, above_other


def _identify(path: Path) -> tuple[int, int]:
    """The device and the number of a file or folder on it, which all links to it share."""
    try:
        stat = os.stat(path)
    except OSError as error:
        raise DatasetError(f"{show_path(str(path))} cannot be read ({error.strerror}).") from error
    return stat.st_dev, stat.st_ino
