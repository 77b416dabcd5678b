"""The names of the files and folders below a folder of images, and how a message shows them. No file is opened."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dlexp.config.values import make_printable
from dlexp.data.file_listing import list_names

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # as in conf/dataset/image_folder.yaml
MAX_IMAGE_BYTES = 2**30  # of the file of one image: that of the most pixels that are decoded, of 64 bits each, has fewer
# The names of the folders of a split, and of its rows in a table, in lower case.
SPLIT_NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
MAX_NAMES = 10  # in one message
LITTER = ("thumbs.db", "desktop.ini")  # of Windows, beside images


class Labelled(NamedTuple):
    """The images of one split: paths from the root, and the number of the class of each."""

    names: list[str]
    labels: list[int]


@dataclass(frozen=True)
class Layout:
    """What a folder of images holds.

    Args:
        splits: The examples of `train`, `test` and perhaps `val`; or of `all`, from which a test split is to be drawn.
        classes: The names of the classes, in the order of the labels.
        left_out: What lies there and is not read, as words for a message.
    """

    splits: dict[str, Labelled]
    classes: tuple[str, ...]
    left_out: tuple[str, ...] = ()


class Found:
    """The names below a folder: images, other files, and how many images each folder holds, itself or at any depth.

    Args:
        root: The folder.
        shown: The same as the user gave it.
    """

    def __init__(self, root: Path, shown: str) -> None:
        self.root, self.shown = root, shown
        self.names = list_names(root)
        images: list[str] = []
        others: list[str] = []
        for name in self.names.files:
            (images if name.lower().endswith(SUFFIXES) else others).append(name)
        self.images, self.others = sorted(images), others
        self.counts: Counter[str] = Counter()
        for folder, count in Counter(name.rpartition("/")[0] for name in self.images).items():
            for above in list_above(folder):
                self.counts[above] += count

    def folders_in(self, below: str = "") -> list[str]:
        """The folders directly in the folder `below`, as paths from the root, sorted."""
        return sorted(name for name in self.names.folders if name.rpartition("/")[0] == below)

    def full_folders_in(self, below: str = "") -> list[str]:
        """Those of them that hold images."""
        return [name for name in self.folders_in(below) if self.counts[name]]

    def show(self, below: str = "") -> str:
        """A path from the root as a path that the user can type."""
        return f"{self.shown.rstrip('/')}/{below}" if below else self.shown

    @property
    def parent(self) -> Path:
        """The folder above the root, by name: where the root is a link, that of the link."""
        return Path(os.path.abspath(self.root)).parent

    def show_above(self, above: str) -> str:
        """A path such as `..` from the root, as a path that the user can type."""
        return os.path.normpath(f"{self.shown}/{above}")

    def describe(self, below: str = "") -> str:
        """The images in a folder by number and ending: `12,000 .png`."""
        prefix = f"{below}/" if below else ""
        return count_endings(name for name in self.images if name.startswith(prefix)) or "no images"

    def splits_in(self, below: str = "") -> dict[str, list[str]]:
        """Split → the folders directly in `below` that have one of its names."""
        folders = self.folders_in(below)
        named = {split: [name for name in folders if last(name).lower() in words] for split, words in SPLIT_NAMES.items()}
        return {split: names for split, names in named.items() if names}


def list_above(folder: str) -> list[str]:
    """A folder and those that hold it, from the root, which is the empty text, downward."""
    parts = folder.split("/") if folder else []
    return ["", *("/".join(parts[: depth + 1]) for depth in range(len(parts)))]


def list_folder(path: Path) -> list[Path]:
    """What lies in a folder and is not hidden, sorted by name; nothing if it cannot be read."""
    try:
        return sorted(item for item in path.iterdir() if item.name[0] != ".")
    except OSError:
        return []


def last(name: str) -> str:
    """The last name of a path."""
    return name.rpartition("/")[2]


def count_endings(names: Iterable[str]) -> str:
    """How many files have each ending, the most frequent first: `25 .gif, 3 without an ending`."""
    endings = Counter(Path(name).suffix.lower() or " without an ending" for name in names)
    shown = [f"{count:,} {make_printable(ending.strip())}" for ending, count in endings.most_common(MAX_NAMES)]
    return name_some(shown, len(endings) - len(shown))


def name_some(names: Sequence[str], more: int = 0) -> str:
    """At most ten names, printable, and how many more there are."""
    shown, more = names[:MAX_NAMES], more + max(0, len(names) - MAX_NAMES)
    return ", ".join(map(make_printable, shown)) + (f" and {more:,} more" if more else "")


def list_some(lines: Sequence[str]) -> str:
    """At most ten lines, each indented below a message, and how many more there are."""
    more = [f"and {len(lines) - MAX_NAMES:,} more"] if len(lines) > MAX_NAMES else []
    return "".join(f"\n  {line}" for line in [*lines[:MAX_NAMES], *more])


def describe_left_out(others: Iterable[str], text: str) -> tuple[str, ...]:
    """What is not read: the files with other endings, and what `text` describes."""
    odd = [name for name in others if last(name).lower() not in LITTER]
    endings = f"{count_endings(odd)}, as only {', '.join(SUFFIXES)} are read" if odd else ""
    return tuple(text for text in (endings, text) if text)
