"""The user's own images, in one folder per class."""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from dlexp.contract import ConfigError, DatasetError, Source, Split
from dlexp.data.cache import load_or_make
from dlexp.data.file_listing import list_files
from dlexp.data.fingerprint import compute_fingerprint, fingerprint
from dlexp.data.split import hold_out_test

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # as in conf/dataset/image_folder.yaml
DECODER_VERSION = 1  # part of the cache's key: increase it when the code below gives other pixels


def read(*, root: str, test_fraction: float | None, image_size: int | None, cache_dir: str, data_seed: int) -> Source:
    """Read images as uint8 RGB. They are decoded once, and then read from the cache.

    Args:
        root: Folder with `train/<class>/…` and `test/<class>/…`, or with `<class>/…`.
        test_fraction: None if root has train and test; otherwise the share that becomes the test split, stratified.
        image_size: The central square of each image is resized (bilinear) to this side in pixels. None: no change.
        cache_dir: Folder for decoded images.
        data_seed: Seed of the split.

    Raises:
        ConfigError: If root has other folders, or the images differ in size and `image_size` is None.
        DatasetError: If an image cannot be read.
    """
    folder, cache = Path(root).expanduser().absolute(), Path(cache_dir).expanduser().absolute()
    content = fingerprint(folder, cache, SUFFIXES)
    _check_layout(folder, test_fraction)
    parts = [folder / "train", folder / "test"] if test_fraction is None else [folder]
    classes = _find_classes(parts)
    key = hashlib.sha256(repr((DECODER_VERSION, content, classes, len(parts), image_size)).encode()).hexdigest()

    def decode() -> dict[str, list[Tensor]]:
        images = _decode(parts, classes, image_size)
        if compute_fingerprint(folder, cache, SUFFIXES) != content:
            raise DatasetError(f"{folder}: images were changed while they were decoded. Give the command again.")
        return images

    decoded = load_or_make(cache / f"images-{key[:16]}.pt", decode)
    splits = [Split(inputs, targets) for inputs, targets in zip(decoded["inputs"], decoded["targets"], strict=True)]
    if test_fraction is None:
        return Source(train=splits[0], test=splits[1], classes=classes)
    return hold_out_test(splits[0], classes, test_fraction=test_fraction, data_seed=data_seed)


def _check_layout(root: Path, test_fraction: float | None) -> None:
    has_splits = (root / "train").is_dir() and (root / "test").is_dir()
    if test_fraction is None and not has_splits:
        raise ConfigError(
            f"dataset.test_fraction: expected a number in (0, 1), as {root} has no folders train and test, got null. "
            "For example dataset.test_fraction=0.2 makes a test split."
        )
    if test_fraction is not None and has_splits:
        raise ConfigError(f"dataset.test_fraction: expected null, as {root} has folders train and test, got {test_fraction:g}.")


def _find_classes(parts: list[Path]) -> tuple[str, ...]:
    """Return the names of the class folders, sorted. They must be the same in each part."""
    names = [{item.name for item in part.iterdir() if item.is_dir() and item.name[0] != "."} for part in parts]
    odd = names[0] ^ names[-1]
    if odd:
        raise ConfigError(
            f"dataset.root: expected the same classes in train and test, got {', '.join(sorted(odd))} in one only."
        )
    if len(names[0]) < 2:
        raise ConfigError(f"dataset.root: expected at least 2 class folders in {parts[0]}, got {len(names[0])}.")
    return tuple(sorted(names[0]))


def _decode(parts: list[Path], classes: tuple[str, ...], image_size: int | None) -> dict[str, list[Tensor]]:
    """Decode all images; returns one tensor of inputs and one of targets for each part."""
    names = [[name for name in sorted(list_files(part, SUFFIXES)) if name.split("/")[0] in classes] for part in parts]
    for part, found in zip(parts, names, strict=True):
        if not found:
            raise DatasetError(f"{part} holds no images ({', '.join(SUFFIXES)}) in its class folders.")
    first = parts[0] / names[0][0]
    shape = _decode_image(first, image_size).shape
    inputs = [np.empty((len(found), *shape), dtype=np.uint8) for found in names]
    for part, found, images in zip(parts, names, inputs, strict=True):
        for index, name in enumerate(found):
            pixels = _decode_image(part / name, image_size)
            if pixels.shape != shape:
                raise ConfigError(
                    "dataset.image_size: expected a number, as the images differ in size "
                    f"({_describe_size(first, shape)}, {_describe_size(part / name, pixels.shape)}), got null."
                )
            images[index] = pixels
    targets = [torch.tensor([classes.index(name.split("/")[0]) for name in found]) for found in names]
    return {"inputs": [torch.from_numpy(images) for images in inputs], "targets": targets}


def _decode_image(path: Path, image_size: int | None) -> npt.NDArray[np.uint8]:
    """Decode one image as RGB, [3, H, W]."""
    try:
        with Image.open(path) as image:
            colours = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path} cannot be read as an image ({error}).") from error
    if image_size is not None:
        colours = ImageOps.fit(colours, (image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(colours).transpose(2, 0, 1)


def _describe_size(path: Path, shape: tuple[int, ...]) -> str:
    return f"{path}: {shape[2]}x{shape[1]}"
