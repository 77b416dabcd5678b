"""The answer to a folder of images that is not laid out as expected: what was found, and the settings that would work."""

import os
from pathlib import Path
from typing import Any, NoReturn

from dlexp.config.entry import show_setting
from dlexp.config.values import make_printable, show_path
from dlexp.data.class_names import check_spelling
from dlexp.data.image_names import SPLIT_NAMES, SUFFIXES, Found, count_endings, last, list_folder, list_some, name_some
from dlexp.data.image_table import suggest_table
from dlexp.errors import ConfigError

SHARE = 0.2  # of the examples, in suggestions


def give(settings: dict[str, Any]) -> str:
    """The end of an answer: settings to add to the command."""
    return f" Give {' '.join(show_setting(f'dataset.{key}', value) for key, value in settings.items())} instead."


def check_splits(found: Found, splits: dict[str, str]) -> None:
    """Check that the folders of all splits hold the same classes, and images of each.

    Args:
        found: The names below the root.
        splits: Split → its folder, with `train` and `test` among them.
    """
    train, shown = splits["train"], {split: show_path(found.show(folder)) for split, folder in splits.items()}
    only_train = give({"root": found.show(train), "test_fraction": SHARE})
    for split, folder in splits.items():
        if not found.counts[folder]:
            advice = only_train if split == "test" and found.full_folders_in(train) else " Remove it, or add some."
            _refuse(f"expected images in {shown[split]}, found {_describe_others(found, folder)}.{advice}")
        if not found.full_folders_in(folder):
            advice = only_train if split == "test" else suggest_table(found, None) or ""
            kind = "no class folders, without which they have no labels"
            _refuse(f"expected class folders in {shown[split]}, found {found.describe(folder)} and {kind}.{advice}")
    full = {split: found.full_folders_in(folder) for split, folder in splits.items()}
    inner = {split: found.full_folders_in(folders[0]) for split, folders in full.items()}
    if all(len(full[split]) == 1 and len(inner[split]) > 1 for split in splits):
        names = name_some([last(name) for name in inner["train"]])
        _refuse(
            f"expected class folders in {shown['train']}, found one folder, {make_printable(last(full['train'][0]))}, that "
            f"holds them ({names}). Move these one folder up, in {' and '.join(splits)}."
        )
    classes = sorted({last(name) for folder in splits.values() for name in found.folders_in(folder)})
    _check_each_class(found, list(splits.values()), classes)


def check_classes(found: Found, splits: dict[str, str], test_fraction: float | None) -> None:
    """Check that the root holds class folders with images, and that a share is to be split off.

    Args:
        found: The names below the root.
        splits: Split → its folder; not both of `train` and `test`, or a share was given.
        test_fraction: The share.
    """
    here = show_path(found.show())
    if {"train", "test"} <= splits.keys():
        raise ConfigError(
            f"dataset.test_fraction: expected null, as {here} has folders {name_some([splits['train'], splits['test']])}, got "
            f"{test_fraction:g}.{give({'test_fraction': None})}"
        )
    if not found.images:
        _refuse(f"expected images ({', '.join(SUFFIXES)}) below {here}, found {_describe_others(found, '')}.")
    full = found.full_folders_in()
    if splits and ({"train", "val"} <= splits.keys() or set(full) <= set(splits.values())):
        _refuse_splits(found, splits, test_fraction)
    if not full:
        advice = suggest_table(found, test_fraction) or _suggest_parent(found, test_fraction)
        _refuse(f"expected class folders in {here}, found {found.describe()} and no class folders.{advice}")
    if len(full) == 1:
        _check_one_folder(found, full[0], test_fraction)
    if all({"train", "test"} <= found.splits_in(folder).keys() for folder in full):
        _refuse(
            f"expected folders train and test in {here} with class folders in each, found {name_some(full)} with train and "
            f"test in each. Rename {full[0]}/train to train/{full[0]}, and so on."
        )
    _check_each_class(found, [""], [last(name) for name in found.folders_in()])
    if test_fraction is None:
        classes = f"{len(full)} class folders ({name_some(full)})"
        advice = _suggest_parent(found, None, only_splits=True) or give({"test_fraction": SHARE})
        raise ConfigError(
            f"dataset.test_fraction: expected a number in (0, 1), as {here} has no folders train and test, got null; found "
            f"{found.describe()} in {classes}.{advice}"
        )


def _refuse(message: str) -> NoReturn:
    raise ConfigError(f"dataset.root: {message}")


def _describe_others(found: Found, below: str) -> str:
    """The files in a folder without images."""
    prefix = f"{below}/" if below else ""
    others = [name for name in found.others if name.startswith(prefix)]
    packed = [
        last(name) for name in others if name.lower().endswith((".zip", ".tar", ".gz", ".tgz", ".rar", ".7z", ".bz2", ".xz"))
    ]
    if packed:
        return f"{name_some(packed)}: unpack it"
    return f"only {count_endings(others)}" if others else "no files"


def _refuse_splits(found: Found, splits: dict[str, str], test_fraction: float | None) -> NoReturn:
    """Refuse folders of splits among which train or test is missing."""
    images = " and ".join(f"{make_printable(folder)} ({found.describe(folder)})" for folder in splits.values())
    advice = give(suggest_settings(found, "", test_fraction))
    _refuse(f"expected folders train and test, or class folders, in {show_path(found.show())}, found {images}.{advice}")


def suggest_settings(found: Found, below: str, test_fraction: float | None) -> dict[str, Any]:
    """The settings that read the images in a folder below the root, or in the root itself."""
    named = {split: folders[0] for split, folders in found.splits_in(below).items() if found.counts[folders[0]]}
    root = {"root": found.show(below)} if below else {}
    not_drawn = {} if test_fraction is None else {"test_fraction": None}
    if {"train", "test"} <= named.keys():
        return root | not_drawn
    if {"train", "val"} <= named.keys():
        return root | {"test_folder": last(named["val"])} | not_drawn
    if named and set(found.full_folders_in(below)) <= set(named.values()):
        root = {"root": found.show(next(iter(named.values())))}
    return root | ({"test_fraction": SHARE} if test_fraction is None else {})


def _check_one_folder(found: Found, folder: str, test_fraction: float | None) -> None:
    """Refuse a root in which a single folder holds images; one with empty class folders beside it is refused later."""
    here = folder
    while len(inner := found.full_folders_in(here)) == 1 and found.counts[inner[0]] == found.counts[here]:
        here = inner[0]
    where = show_path(found.show(here))
    if len(inner) > 1:
        advice = give(suggest_settings(found, here, test_fraction))
        names = name_some([last(name) for name in inner])
        _refuse(
            f"expected class folders in {show_path(found.show())}, found {found.describe()} in {len(inner)} folders below "
            f"{where} ({names}).{advice}"
        )
    if len(found.folders_in()) == 1:
        advice = suggest_table(found, test_fraction) or " Put the images of each class into a folder of its own."
        _refuse(
            f"expected at least 2 class folders in {show_path(found.show())}, found 1: {found.describe()} in {where}.{advice}"
        )


def _check_each_class(found: Found, folders: list[str], classes: list[str]) -> None:
    """Refuse classes without images in one of the folders, and fewer than two classes."""
    check_spelling(classes, "dataset.root")
    there, lacking = set(found.names.folders), []
    for place in (f"{folder}/{name}".lstrip("/") for name in classes for folder in folders):
        if not found.counts[place]:
            holds = _describe_others(found, place) if place in there else "no such folder"
            lacking.append(f"{show_path(place)} ({holds})")
    if lacking:
        lower = [name.lower() for name in classes]
        alike = [name for name in classes if lower.count(name.lower()) > 1]
        hint = f"\n{name_some(alike)} differ in upper and lower case alone." if alike and len(folders) > 1 else ""
        _refuse(
            f"expected images in each class folder of {show_path(found.show())}, found none in"
            f"{list_some(lacking)}\nAdd images, or move folders that are no class away.{hint}"
        )
    if len(classes) < 2:
        _refuse(f"expected at least 2 class folders in {show_path(found.show(folders[0]))}, found {name_some(classes)} alone.")


def _suggest_parent(found: Found, test_fraction: float | None, *, only_splits: bool = False) -> str:
    """The settings that read the folder above the root, if that is laid out as expected, else nothing."""
    above, split_names = found.parent, sum(SPLIT_NAMES.values(), ())
    not_drawn: dict[str, Any] = {} if test_fraction is None else {"test_fraction": None}
    if not only_splits and above.name.lower() in split_names and _has_splits(above.parent):
        return give({"root": found.show_above("../..")} | not_drawn)
    if found.root.name.lower() in split_names and _has_splits(above):
        return give({"root": found.show_above("..")} | not_drawn)
    if only_splits:
        return ""
    beside = [folder for folder in list_folder(above) if os.path.isdir(folder)]
    if len(beside) > 1 and all(any(item.suffix.lower() in SUFFIXES for item in list_folder(folder)) for folder in beside):
        return give({"root": found.show_above("..")} | ({"test_fraction": SHARE} if test_fraction is None else {}))
    return " Put the images of each class into a folder of its own."


def _has_splits(folder: Path) -> bool:
    names = {item.name.lower() for item in list_folder(folder) if os.path.isdir(item)}
    return all(names & set(SPLIT_NAMES[split]) for split in ("train", "test"))
