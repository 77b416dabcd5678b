"""The labels of a folder of images from a table (CSV), a row for each image, in place of class folders."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dlexp.config.entry import show_setting
from dlexp.config.values import make_printable, show_path
from dlexp.data.class_names import check_spelling
from dlexp.data.image_columns import SPLIT_COLUMNS, find_column, find_columns, has_split_column, read_cells
from dlexp.data.image_names import (
    SPLIT_NAMES,
    SUFFIXES,
    Found,
    Labelled,
    Layout,
    describe_left_out,
    list_folder,
    list_some,
    name_some,
)
from dlexp.errors import ConfigError

ENDINGS = (".csv", ".tsv")


def read_table(
    found: Found, path: Path, *, file_column: str | None, label_column: str | None, split_column: str | None, split: bool
) -> Layout:
    """Read which images are examples, of which class and split.

    Args:
        found: The names below the folder of images.
        path: The table: comma-separated, or tab-separated if it ends in .tsv, with names of columns in its first line.
        file_column: The column with the path of each image from the folder; None: found by its name.
        label_column: The column with the name of its class; None: found by its name.
        split_column: The column with train, val or test; None: found by its name.
        split: Whether the table has such a column. Otherwise all images are of the split `all`.

    Raises:
        ConfigError: If a column is missing, or a row does not name an image and its class.
        DatasetError: If the table cannot be read.
    """
    table = read_cells(path)
    shown = show_path(str(path))
    file_column, label_column = find_columns(table, shown, file_column, label_column)
    if split:
        split_column = find_column(table, shown, "split_column", split_column, SPLIT_COLUMNS)
        if split_column is None:
            share = show_setting("dataset.test_fraction", 0.2)
            raise ConfigError(
                f"dataset.test_fraction: expected a number in (0, 1), as {shown} has no column split with train and test, got "
                f"null; its columns are {name_some(list(table.columns))}. Give {share} instead."
            )
    splits = table[split_column] if split else [None] * len(table)
    rows = _read_rows(found, zip(table.index + 2, table[file_column], table[label_column], splits, strict=True))
    if rows.problems:
        advice = _suggest_root(found, rows.missing) if len(rows.missing) == len(rows.problems) else ""
        count = f"{len(rows.problems):,} row{'s' if len(rows.problems) > 1 else ''} of {shown}"
        raise ConfigError(f"dataset.labels: {count} cannot be used:{list_some(rows.problems)}{advice}")
    classes = sorted({label for label, _ in rows.examples.values()})
    check_spelling(classes, "dataset.label_column")
    if all(re.fullmatch(r"\d{1,18}", label, re.ASCII) for label in classes):
        classes.sort(key=int)
    needed = {"train", "test"} if split else {"all"}
    there = {split for _, split in rows.examples.values()}
    if not needed <= there:
        raise ConfigError(
            f"dataset.labels: expected rows of train and test in column {make_printable(str(split_column))} of {shown}, found "
            f"{name_some(sorted(there)) or 'none'}. Give {show_setting('dataset.test_fraction', 0.2)} to leave that column out."
        )
    if len(classes) < 2:
        raise ConfigError(
            f"dataset.label_column: expected at least 2 classes in column {make_printable(label_column)} of {shown}, found "
            f"{name_some(classes) or 'none'}."
        )
    return _order(found, rows.examples, classes, needed | there)


def suggest_table(found: Found, test_fraction: float | None) -> str:
    """The settings that read labels from a table beside the images, or nothing if there is none."""
    below = [name for name in found.others if name.lower().endswith(ENDINGS)]
    paths = [found.show(name) for name in sorted(below, key=lambda name: name.count("/"))]
    if not paths:
        beside = [item.name for item in list_folder(found.parent) if item.name.lower().endswith(ENDINGS)]
        paths = [found.show_above(f"../{name}") for name in beside]
    if not paths:
        return ""
    settings = [show_setting("dataset.labels", paths[0])]
    if test_fraction is None and not has_split_column(Path(paths[0]).expanduser()):
        settings.append(show_setting("dataset.test_fraction", 0.2))
    return f" Give {' '.join(settings)} instead."


class _Rows(NamedTuple):
    """What the rows say.

    Args:
        examples: Image → name of its class, and split.
        problems: A line for each row that cannot be used.
        missing: The files that are not there.
    """

    examples: dict[str, tuple[str, str]]
    problems: list[str]
    missing: list[str]


def _read_rows(found: Found, rows: Iterable[tuple[int, str, str, str | None]]) -> _Rows:
    """Find the image of each row.

    Args:
        found: The names below the folder of images.
        rows: Number of the line, path, name of the class, and split, which is None if all images are of one.
    """
    result, lines = _Rows({}, [], []), dict[str, int]()
    images, others = set(found.images), set(found.others)
    by_stem = {name.rpartition(".")[0]: name for name in reversed(found.images)}
    words = {word: split for split, names in SPLIT_NAMES.items() for word in names}
    for line, file, label, split in rows:
        name = re.sub(r"^(\./+)+", "", file.replace("\\", "/"))
        name = name if name in images else by_stem.get(name, name)
        place = "all" if split is None else words.get(split.lower())
        problem = None
        if not file or not label:
            problem = f"has no {'label' if file else 'file'}"
        elif name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:/", name):
            problem = f"{show_path(file)} is no path from {show_path(found.show())}"
        elif name not in images:
            problem = f"{show_path(file)} {'has an ending that is not read' if name in others else 'is not there'}"
            result.missing.append(name)
        elif name in lines:
            same = result.examples[name] == (label, place)
            problem = f"{show_path(file)} stands in line {lines[name]} already{'' if same else ', with another label or split'}"
        elif place is None:
            problem = f"the split is {make_printable(split or '') or 'empty'}, expected train, val or test"
        if problem is None and place is not None:
            result.examples[name], lines[name] = (label, place), line
        else:
            result.problems.append(f"line {line}: {problem}")
    return result


def _suggest_root(found: Found, missing: list[str]) -> str:
    """The folder from which the first file that is missing would be found, if there is one."""
    name = missing[0]
    stems = (name, *(f"{name}{suffix}" for suffix in SUFFIXES))
    inner = [image for image in found.images if image.endswith(tuple(f"/{stem}" for stem in stems))]
    if inner:
        return f"\nGive {show_setting('dataset.root', found.show(_cut(inner[0], name)))} instead."
    first, _, rest = name.partition("/")
    if rest in found.images and found.root.name == first:
        return f"\nGive {show_setting('dataset.root', found.show_above('..'))} instead."
    return ""


def _cut(image: str, name: str) -> str:
    """The folder from which the path of an image is `name`, with or without an ending."""
    return "/".join(image.split("/")[: -(name.count("/") + 1)])


def _order(found: Found, examples: dict[str, tuple[str, str]], classes: list[str], splits: set[str]) -> Layout:
    """The examples of each split in the order of their paths, so that the order of the rows does not matter."""
    numbers = {name: number for number, name in enumerate(classes)}
    labelled = {split: Labelled([], []) for split in sorted(splits)}
    for name in sorted(examples):
        label, split = examples[name]
        labelled[split].names.append(name)
        labelled[split].labels.append(numbers[label])
    unnamed = [name for name in found.images if name not in examples]
    others = f"{len(unnamed):,} images without a row ({name_some(unnamed)})" if unnamed else ""
    return Layout(labelled, tuple(classes), describe_left_out([], others))
