"""MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100, as torchvision stores them. Only files with the published md5 are read."""

import hashlib
import pickle
import tarfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlexp.config.options import groups, traits
from dlexp.contract import DatasetError, Source, Split
from dlexp.data.download import MAX_BYTES, Archive, has_md5, obtain, open_https
from dlexp.machine.files import read_regular_file

# Addresses of the archives. They are https; those of MNIST and Fashion-MNIST in torchvision are not all.
ADDRESSES = {
    "MNIST": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "FashionMNIST": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "CIFAR10": "https://www.cs.toronto.edu/~kriz/",
    "CIFAR100": "https://www.cs.toronto.edu/~kriz/",
}
# md5 of the files in MNIST's archives. Torchvision has those of the archives, and of CIFAR's files.
UNPACKED = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}


# Shape of an image, number of classes, of training and of test examples, for who plans a run before the files are here.
PUBLISHED = {
    "mnist": ((1, 28, 28), 10, 60000, 10000),
    "fashion_mnist": ((1, 28, 28), 10, 60000, 10000),
    "cifar10": ((3, 32, 32), 10, 50000, 10000),
    "cifar100": ((3, 32, 32), 100, 50000, 10000),
}


class _Layout(NamedTuple):
    """The files to read, with their md5, and the archives that contain them."""

    files: dict[Path, str]
    archives: list[Archive]


class FileStatus(NamedTuple):
    """Which files of a data set are complete, damaged and missing, and whether all archives exist, to unpack them again."""

    complete: list[Path]
    damaged: list[Path]
    missing: list[Path]
    archived: bool


def mnist(*, root: str) -> Source:
    """Grey 28x28 images of handwritten digits. Files: `root`/MNIST/raw. Source: LeCun et al. 1998."""
    return _read("mnist", root)


def fashion_mnist(*, root: str) -> Source:
    """Grey 28x28 images of clothes. Files: `root`/FashionMNIST/raw. Source: Xiao et al. 2017, arXiv:1708.07747."""
    return _read("fashion_mnist", root)


def cifar10(*, root: str) -> Source:
    """Colour 32x32 images in 10 classes. Files: `root`/cifar-10-batches-py. Source: Krizhevsky 2009."""
    return _read("cifar10", root)


def cifar100(*, root: str) -> Source:
    """Colour 32x32 images in 100 classes. Files: `root`/cifar-100-python. Source: Krizhevsky 2009."""
    return _read("cifar100", root)


def _mnist_layout(kind: Any, root: Path) -> _Layout:
    folder, md5s, address = root / kind.__name__ / "raw", UNPACKED[kind.__name__], ADDRESSES[kind.__name__]
    archives = [
        Archive(folder / name, md5, [address + name], {Path(name).stem: folder / Path(name).stem})
        for name, md5 in kind.resources
    ]
    return _Layout({folder / name: md5 for name, md5 in md5s.items()}, archives)


def _read_mnist(kind: Any, files: Mapping[Path, bytes]) -> Source:
    arrays = {path.name: _decode_idx(content) for path, content in files.items()}
    splits = [
        _split(arrays[f"{split}-images-idx3-ubyte"][:, None], arrays[f"{split}-labels-idx1-ubyte"], 10)
        for split in ("train", "t10k")
    ]
    return Source(train=splits[0], test=splits[1], classes=tuple(kind.classes))


def _decode_idx(content: bytes) -> Tensor:
    """Decode a file of MNIST: 4 bytes, the last of which is the number of axes; 4 bytes for each size; the array."""
    start = 4 + 4 * content[3]
    sizes = [int.from_bytes(content[place : place + 4], "big") for place in range(4, start, 4)]
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).reshape(sizes)


def _cifar_layout(kind: Any, root: Path) -> _Layout:
    folder = root / kind.base_folder
    md5s = {**dict(kind.train_list), **dict(kind.test_list), kind.meta["filename"]: kind.meta["md5"]}
    members = {f"{kind.base_folder}/{name}": folder / name for name in md5s}
    archive = Archive(root / kind.filename, kind.tgz_md5, [ADDRESSES[kind.__name__] + kind.filename], members)
    return _Layout({folder / name: md5 for name, md5 in md5s.items()}, [archive])


def _read_cifar(kind: Any, files: Mapping[Path, bytes]) -> Source:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns about pickles as old as these
        # A pickle can execute code. These are safe to read because their md5 is the published one.
        content = {path.name: pickle.loads(data, encoding="latin1") for path, data in files.items()}
    classes = tuple(content[kind.meta["filename"]][kind.meta["key"]])
    splits = []
    for names in (dict(kind.train_list), dict(kind.test_list)):
        batches = [content[name] for name in names]
        images = torch.from_numpy(np.concatenate([batch["data"] for batch in batches])).reshape(-1, 3, 32, 32)
        labels = [label for batch in batches for label in batch.get("labels") or batch["fine_labels"]]
        splits.append(_split(images, torch.tensor(labels), len(classes)))
    return Source(train=splits[0], test=splits[1], classes=classes)


class _Set(NamedTuple):
    """A data set: the name of its class in torchvision, where its files are, and how their content is read."""

    name: str
    layout: Callable[[Any, Path], _Layout]
    read: Callable[[Any, Mapping[Path, bytes]], Source]


SETS: dict[str, _Set] = {
    "mnist": _Set("MNIST", _mnist_layout, _read_mnist),
    "fashion_mnist": _Set("FashionMNIST", _mnist_layout, _read_mnist),
    "cifar10": _Set("CIFAR10", _cifar_layout, _read_cifar),
    "cifar100": _Set("CIFAR100", _cifar_layout, _read_cifar),
}
"""Option → data set."""


def check_files(option: str, root: str) -> FileStatus:
    """Check the md5 of the files of a data set. Downloads nothing.

    Args:
        option: A key of `SETS`.
        root: The folder, as in the function with the name of the option.
    """
    _, _, layout = _find(option, root)
    found = {path: has_md5(path, md5) for path, md5 in layout.files.items() if path.is_file()}
    return FileStatus(
        complete=[path for path in found if found[path]],
        damaged=[path for path in found if not found[path]],
        missing=[path for path in layout.files if path not in found],
        archived=all(archive.path.is_file() for archive in layout.archives),
    )


def _find(option: str, root: str) -> tuple[Any, Path, _Layout]:
    """Return the class in torchvision, the folder, and the files in it."""
    from torchvision import datasets

    kind, folder = getattr(datasets, SETS[option].name), Path(root).expanduser().absolute()
    return kind, folder, SETS[option].layout(kind, folder)


def _read(option: str, root: str) -> Source:
    """Read a data set. Files that are missing or damaged are downloaded, once."""
    kind, folder, layout = _find(option, root)
    files = _load_published(layout.files)
    if len(files) < len(layout.files):
        _obtain(kind.__name__, folder, layout)
        files = _load_published(layout.files)
    try:
        if bad := [path.name for path in layout.files if path not in files]:
            raise ValueError(f"{', '.join(bad)}: not as published, even after a new download")
        return SETS[option].read(kind, files)
    except Exception as error:  # parsers raise many types for unexpected bytes
        raise DatasetError(
            f"{kind.__name__} cannot be read ({error or type(error).__name__}). Delete or replace {_join(layout.files)}"
        ) from error


def _load_published(files: Mapping[Path, str]) -> dict[Path, bytes]:
    """Read the files that exist and have their md5."""
    found = {}
    for path, md5 in files.items():
        with suppress(OSError, ValueError):
            content = read_regular_file(path, MAX_BYTES)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
                found[path] = content
    return found


def _split(images: Tensor, labels: Tensor, num_classes: int) -> Split:
    """Check that images [N, C, H, W] and labels [N] match."""
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images, but {len(labels)} labels")
    if labels.max() >= num_classes:
        raise ValueError(f"label {int(labels.max())}, but {num_classes} classes")
    return Split(images.contiguous(), labels.to(torch.int64))


def _obtain(name: str, folder: Path, layout: _Layout) -> None:
    """Unpack the files that are missing or damaged, and download the archives first where needed.

    Raises:
        DatasetError: If that fails, with what the user can do.
    """

    def find_bad() -> list[Path]:
        return [path for path, md5 in layout.files.items() if not has_md5(path, md5)]

    try:
        obtain(layout.archives, folder / f".{name}.lock", find_bad, opener=open_https)
    except (OSError, ValueError, EOFError, tarfile.TarError) as error:
        damaged = [path for path in find_bad() if path.exists()]
        others = [other for other in groups()["dataset"] if not traits("dataset", other).published_files]
        state = f"is damaged: {_join(damaged)} not as published," if damaged else f"is not in {folder}"
        raise DatasetError(
            f"{name} {state} and cannot be downloaded ({error or type(error).__name__}).\n"
            + (f"Delete or replace {_join(damaged)}, or\n" if damaged else "")
            + f"put a copy in {folder}: {_join(archive.path.relative_to(folder) for archive in layout.archives)}\n"
            f"or unpacked: {_join(path.relative_to(folder) for path in layout.files)}\n"
            f"These need no download: dataset={', '.join(others)}."
        ) from error


def _join(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))
