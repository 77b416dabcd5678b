"""Which images are examples, of which class and split: from the names of folders. No file is opened."""

from dlexp.config.values import make_printable
from dlexp.data.image_answers import check_classes, check_splits
from dlexp.data.image_links import check_class_folders
from dlexp.data.image_names import Found, Labelled, Layout, describe_left_out, last, list_above, name_some
from dlexp.errors import ConfigError


def read_layout(found: Found, test_fraction: float | None, test_folder: str) -> Layout:
    """Find splits and classes from the names of folders.

    Args:
        found: The names below the root.
        test_fraction: None if the root has folders for train and test; otherwise it holds the class folders.
        test_folder: The name of the folder that holds the test split.

    Raises:
        ConfigError: If the folders are not such, with what was found and what would work, or if two classes are one folder.
    """
    splits = _find_splits(found, test_folder)
    if test_fraction is None and {"train", "test"} <= splits.keys():
        check_splits(found, splits)
        folders = splits
    else:
        check_classes(found, splits, test_fraction)
        folders = {"all": ""}
    classes = tuple(last(name) for name in found.folders_in(folders.get("train", "")))
    check_class_folders(found, folders.values(), classes)
    labelled = {split: Labelled([], []) for split in folders}
    class_of = {
        f"{folder}/{name}".lstrip("/"): (labelled[split], number)
        for split, folder in folders.items()
        for number, name in enumerate(classes)
    }
    examples_of: dict[str, tuple[Labelled, int] | None] = {}  # a folder at any depth; None: it belongs to no class
    for above in ("", *found.names.folders):
        examples_of[above] = next((class_of[folder] for folder in list_above(above) if folder in class_of), None)
    loose = 0
    for name in found.images:
        if place := examples_of[name.rpartition("/")[0]]:
            place[0].names.append(name)
            place[0].labels.append(place[1])
        else:
            loose += 1
    others = [name for name in found.others if examples_of[name.rpartition("/")[0]]]
    text = f"{loose:,} images outside the class folders" if loose else ""
    return Layout(labelled, classes, describe_left_out(others, text))


def _find_splits(found: Found, test_folder: str) -> dict[str, str]:
    """Split → its folder, directly in the root."""
    named = found.splits_in()
    if test_folder != "test":
        folders = found.folders_in()
        if test_folder not in folders:
            raise ConfigError(
                f"dataset.test_folder: expected the name of a folder in {found.show()}, got {make_printable(test_folder)}. "
                f"It has {name_some(folders) or 'none'}."
            )
        named = {split: [name for name in names if name != test_folder] for split, names in named.items()}
        named = {split: names for split, names in named.items() if names} | {"test": [test_folder]}
    for split, names in named.items():
        if len(names) > 1 and named.keys() > {split}:
            raise ConfigError(
                f"dataset.root: expected one folder for the {split} split in {found.show()}, found {name_some(names)}. "
                "Move the others away, or put them together."
            )
    return {split: names[0] for split, names in named.items()}
