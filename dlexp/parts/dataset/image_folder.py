"""The user's own images: in one folder per class, or with a table of labels."""

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlexp.config.values import show_path
from dlexp.contract import ConfigError, DatasetError, Source, Split
from dlexp.data.cache import load_or_make
from dlexp.data.fingerprint import compute_fingerprint, fingerprint
from dlexp.data.image_files import decode_content, read_image_file
from dlexp.data.image_layout import read_layout
from dlexp.data.image_links import check_links, describe_pairs
from dlexp.data.image_names import SUFFIXES, Found, Layout, list_some
from dlexp.data.image_table import read_table
from dlexp.data.split import split_indices, take
from dlexp.machine.memory import read_memory
from dlexp.machine.notices import notify

DECODER_VERSION = 2  # part of the cache's key: increase it when dlexp/data/image_files.py gives other pixels


def read(
    *,
    root: str,
    labels: str | None,
    file_column: str | None,
    label_column: str | None,
    split_column: str | None,
    test_fraction: float | None,
    test_folder: str,
    image_size: int | None,
    channels: int,
    duplicates: Literal["refuse", "keep"],
    cache_dir: str,
    data_seed: int,
) -> Source:
    """Read images as uint8. They are decoded once, and then read from the cache.

    Args:
        root: Folder with `train/<class>/…`, `test/<class>/…` and perhaps `val/<class>/…`; or with `<class>/…`; or with images.
        labels: A table with a row for each image, in place of the names of folders; None: there is none.
        file_column: Its column with the path of each image from `root`; None: found by its name.
        label_column: Its column with the name of each image's class; None: found by its name.
        split_column: Its column with train, val or test, read if `test_fraction` is None; None: found by its name.
        test_fraction: None if folders or table tell train and test apart; otherwise the share that becomes the test split,
            stratified.
        test_folder: Name of the folder with the test split.
        image_size: The central square of each image is resized (bilinear) to this side in pixels. None: no change.
        channels: 3 for RGB, 1 for grey.
        duplicates: Whether images that are in two splits are refused, and those that links count several times in one.
        cache_dir: Folder for decoded images.
        data_seed: Seed of the split.

    Raises:
        ConfigError: If folders or table are not as expected, if the images differ in size and `image_size` is None, or if an
            image is in two splits or counted several times.
        DatasetError: If an image or the table cannot be read.
    """
    folder, cache = Path(root).expanduser().absolute(), Path(cache_dir).expanduser().absolute()
    content = fingerprint(folder, cache, SUFFIXES)
    found = Found(folder, root)
    if labels is None:
        layout = read_layout(found, test_fraction, test_folder)
    else:
        columns = {"file_column": file_column, "label_column": label_column, "split_column": split_column}
        layout = read_table(found, Path(labels).expanduser(), **columns, split=test_fraction is None)
    if layout.left_out:
        notify(f"dataset.root: left out below {show_path(root)}: {'; '.join(layout.left_out)}.")
    if image_size is not None:
        _check_memory(layout, (channels, image_size, image_size))
    decoded = _load_images(folder, cache, content, layout, channels, None if image_size is None else (image_size, image_size))
    if duplicates == "refuse":
        check_links(folder, layout.splits, decoded["hashes"])
    splits = _divide(decoded, layout, test_fraction, data_seed)
    if duplicates == "refuse":
        _check_duplicates(folder, splits)
    val = splits["val"].split if "val" in splits else None
    return Source(train=splits["train"].split, test=splits["test"].split, classes=layout.classes, val=val)


def _load_images(
    folder: Path, cache: Path, content: str | None, layout: Layout, channels: int, size: tuple[int, int] | None
) -> dict[str, list[Tensor]]:
    """Read the decoded images from the cache; they are decoded first if they are not there.

    Raises:
        DatasetError: If an image cannot be read, or if the images are no longer those of the fingerprint `content`.
    """

    def decode() -> dict[str, list[Tensor]]:
        images = _decode(folder, layout, channels, size)
        if compute_fingerprint(folder, cache, SUFFIXES) != content:
            raise DatasetError(f"{folder}: images were changed while they were decoded. Give the command again.")
        return images

    key = hashlib.sha256(repr((DECODER_VERSION, content, layout.splits, channels, size)).encode()).hexdigest()
    return load_or_make(cache / f"images-{key[:16]}.pt", decode)


class _Images(NamedTuple):
    """One split: its examples, the path of each from the root, and 64 bits of the hash of each file, int64 [N]."""

    split: Split
    names: Sequence[str]
    hashes: Tensor


def _divide(
    decoded: Mapping[str, list[Tensor]], layout: Layout, test_fraction: float | None, data_seed: int
) -> dict[str, _Images]:
    """The decoded images by split, in the order train, val, test as far as there are such; draws a test split for a share."""
    images = {
        split: _Images(Split(inputs, targets), labelled.names, hashes)
        for (split, labelled), inputs, targets, hashes in zip(
            layout.splits.items(), decoded["inputs"], decoded["targets"], decoded["hashes"], strict=True
        )
    }
    if test_fraction is None:
        return images
    examples, names, hashes = images["all"]
    key = "dataset.test_fraction"
    drawn = split_indices(examples.targets, layout.classes, test_fraction, seed=data_seed, key=key)
    return {
        side: _Images(take(examples, indices), [names[index] for index in indices.tolist()], hashes[indices])
        for side, indices in zip(("train", "test"), drawn, strict=True)
    }


def _decode(root: Path, layout: Layout, channels: int, size: tuple[int, int] | None) -> dict[str, list[Tensor]]:
    """Decode all images. Returns, for each split, a tensor of inputs, one of targets and one of hashes."""
    decoded: dict[str, list[Tensor]] = {"inputs": [], "targets": [], "hashes": []}
    unreadable: list[str] = []
    first: tuple[str, tuple[int, ...]] | None = None
    for split in layout.splits.values():
        inputs, hashes = np.empty(0, dtype=np.uint8), np.empty(len(split.names), dtype=np.int64)
        for index, name in enumerate(split.names):
            try:
                content = read_image_file(root / name)
                hashes[index] = np.frombuffer(hashlib.sha256(content).digest(), dtype=np.int64)[0]
                pixels = decode_content(content, str(root / name), channels, size)
            except DatasetError as error:
                unreadable.append(str(error))
                continue
            if first is None:
                first = name, pixels.shape
                _check_memory(layout, pixels.shape)
            if pixels.shape != first[1]:
                raise ConfigError(
                    "dataset.image_size: expected a number, as the images differ in size "
                    f"({_describe_size(*first)}, {_describe_size(name, pixels.shape)}), got null. "
                    f"Give dataset.image_size={min(*first[1][1:], *pixels.shape[1:])} instead."
                )
            if not len(inputs):
                inputs = np.empty((len(split.names), *pixels.shape), dtype=np.uint8)
            inputs[index] = pixels
        decoded["inputs"].append(torch.from_numpy(inputs))
        decoded["targets"].append(torch.tensor(split.labels))
        decoded["hashes"].append(torch.from_numpy(hashes))
    if unreadable:
        raise DatasetError(
            f"{len(unreadable):,} of {sum(len(split.names) for split in layout.splits.values()):,} images cannot be read:"
            f"{list_some(unreadable)}\nMend them, or take them out of the folder."
        )
    return decoded


def _check_memory(layout: Layout, shape: tuple[int, ...]) -> None:
    """Refuse images that do not fit into half of the free memory: they are held twice while a split is drawn from them.

    Args:
        layout: The images.
        shape: (C, H, W) of each as it is decoded, a byte each.

    Raises:
        ConfigError: If they do not fit, with the size that does.
    """
    count, available = sum(len(split.names) for split in layout.splits.values()), read_memory().available
    needed = count * math.prod(shape)
    if 2 * needed > available:
        fitting = math.isqrt(available // (2 * count * shape[0]))
        raise ConfigError(
            f"dataset.image_size: expected images that fit into half of the free memory ({available / 2**30:.1f} GiB), "
            f"got {count:,} images of {shape[2]}x{shape[1]} pixels: {needed / 2**30:.1f} GiB. "
            + (f"dataset.image_size={fitting} fits." if fitting else "Take some out of the folder.")
        )


def _check_duplicates(root: Path, splits: Mapping[str, _Images]) -> None:
    """Refuse files with the same bytes in two splits."""
    pairs = []
    for one, other in itertools.combinations(splits.values(), 2):
        if len(both := torch.isin(other.hashes, one.hashes).nonzero().flatten()):
            names = dict(zip(one.hashes.tolist(), one.names, strict=True))
            found = ((names[int(other.hashes[index])], other.names[index]) for index in both.tolist())
            pairs += list(found)
    if pairs:
        raise ConfigError(
            f"dataset.duplicates: expected each image in one of {', '.join(splits)}, found {len(pairs):,} twice:"
            f"{list_some(describe_pairs(root, pairs))}\nTake one of each away, or give dataset.duplicates=keep."
        )


def _describe_size(name: str, shape: tuple[int, ...]) -> str:
    return f"{show_path(name)}: {shape[2]}x{shape[1]}"
