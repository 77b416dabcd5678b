"""Data sets that torchvision knows: MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100; what is read is what was published."""

import hashlib
import pickle
import tarfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlexp.contract import DatasetError, Source, Split
from dlexp.data.download import Archive, has_md5, https, obtain

# Where archives are fetched: over https, which torchvision's own addresses of MNIST and Fashion-MNIST are not throughout.
ADDRESSES = {
    "MNIST": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "FashionMNIST": "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "CIFAR10": "https://www.cs.toronto.edu/~kriz/",
    "CIFAR100": "https://www.cs.toronto.edu/~kriz/",
}
# Torchvision knows the md5 of the archives and of CIFAR's files; these are of the files that MNIST's archives hold.
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


class _Layout(NamedTuple):
    """Where torchvision looks: the files that are read, with their md5, and the archives that hold them."""

    files: dict[Path, str]
    archives: list[Archive]


class Presence(NamedTuple):
    """Which files of a data set are whole, damaged and not there, and whether its archives are, which make them anew."""

    whole: list[Path]
    damaged: list[Path]
    missing: list[Path]
    archived: bool


def mnist(*, root: str) -> Source:
    """Grey 28x28 images of handwritten digits. Source: LeCun et al. 1998.

    Args:
        root: Folder that holds or will hold `MNIST/raw`.
    """
    return _read("mnist", root)


def fashion_mnist(*, root: str) -> Source:
    """Grey 28x28 images of clothes. Source: Xiao et al. 2017, arXiv:1708.07747.

    Args:
        root: Folder that holds or will hold `FashionMNIST/raw`.
    """
    return _read("fashion_mnist", root)


def cifar10(*, root: str) -> Source:
    """Colour 32x32 images in 10 classes. Source: Krizhevsky 2009.

    Args:
        root: Folder that holds or will hold `cifar-10-batches-py`.
    """
    return _read("cifar10", root)


def cifar100(*, root: str) -> Source:
    """Colour 32x32 images in 100 classes. Source: Krizhevsky 2009.

    Args:
        root: Folder that holds or will hold `cifar-100-python`.
    """
    return _read("cifar100", root)


def _mnist_layout(kind: Any, root: Path) -> _Layout:
    folder, md5s, address = root / kind.__name__ / "raw", UNPACKED[kind.__name__], ADDRESSES[kind.__name__]
    archives = [
        Archive(folder / name, md5, [address + name], {Path(name).stem: folder / Path(name).stem})
        for name, md5 in kind.resources
    ]
    return _Layout({folder / name: md5 for name, md5 in md5s.items()}, archives)


def _read_mnist(kind: Any, files: Mapping[Path, bytes]) -> Source:
    arrays = {path.name: _idx(content) for path, content in files.items()}
    splits = [
        _split(arrays[f"{part}-images-idx3-ubyte"][:, None], arrays[f"{part}-labels-idx1-ubyte"], 10)
        for part in ("train", "t10k")
    ]
    return Source(train=splits[0], test=splits[1], classes=tuple(kind.classes))


def _idx(content: bytes) -> Tensor:
    """The array in a file of MNIST's format: four bytes, of which the last is the number of axes; their sizes; the bytes."""
    start = 4 + 4 * content[3]
    sizes = [int.from_bytes(content[place : place + 4], "big") for place in range(4, start, 4)]
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).reshape(sizes)


def _cifar_layout(kind: Any, root: Path) -> _Layout:
    folder = root / kind.base_folder
    md5s = {**dict(kind.train_list), **dict(kind.test_list), kind.meta["filename"]: kind.meta["md5"]}
    holds = {f"{kind.base_folder}/{name}": folder / name for name in md5s}
    archive = Archive(root / kind.filename, kind.tgz_md5, [ADDRESSES[kind.__name__] + kind.filename], holds)
    return _Layout({folder / name: md5 for name, md5 in md5s.items()}, [archive])


def _read_cifar(kind: Any, files: Mapping[Path, bytes]) -> Source:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what numpy says of pickles as old as these
        # A pickle may run anything: these are read only because their md5 is the published one.
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
    """One data set: its class in torchvision, where that looks, and how what it looks at is read."""

    name: str
    layout: Callable[[Any, Path], _Layout]
    read: Callable[[Any, Mapping[Path, bytes]], Source]


SETS: dict[str, _Set] = {
    "mnist": _Set("MNIST", _mnist_layout, _read_mnist),
    "fashion_mnist": _Set("FashionMNIST", _mnist_layout, _read_mnist),
    "cifar10": _Set("CIFAR10", _cifar_layout, _read_cifar),
    "cifar100": _Set("CIFAR100", _cifar_layout, _read_cifar),
}
"""Option → its data set."""


def presence(option: str, root: str) -> Presence:
    """What there is of a data set, by the md5 of its files; nothing is fetched.

    Args:
        option: Of `SETS`.
        root: As the function of that name takes it.
    """
    _, _, layout = _find(option, root)
    there = {path: has_md5(path, md5) for path, md5 in layout.files.items() if path.is_file()}
    return Presence(
        whole=[path for path in there if there[path]],
        damaged=[path for path in there if not there[path]],
        missing=[path for path in layout.files if path not in there],
        archived=all(archive.path.is_file() for archive in layout.archives),
    )


def _find(option: str, root: str) -> tuple[Any, Path, _Layout]:
    """Torchvision's class, the folder, and where the files lie."""
    from torchvision import datasets

    kind, folder = getattr(datasets, SETS[option].name), Path(root).expanduser().absolute()
    return kind, folder, SETS[option].layout(kind, folder)


def _read(option: str, root: str) -> Source:
    """Read the files, each once it is known to be what was published; what is not is fetched anew, once."""
    kind, folder, layout = _find(option, root)
    files = _whole(layout.files)
    if len(files) < len(layout.files):
        _obtain(kind.__name__, folder, layout)
        files = _whole(layout.files)
    try:
        if lacking := [path.name for path in layout.files if path not in files]:
            raise ValueError(f"{', '.join(lacking)}: not as published, though fetched anew")
        return SETS[option].read(kind, files)
    except Exception as error:  # whatever a parser makes of bytes that are not what it expects
        raise DatasetError(
            f"{kind.__name__} cannot be read ({error or type(error).__name__}). "
            f"Delete or replace {', '.join(map(str, layout.files))}"
        ) from error


def _whole(files: Mapping[Path, str]) -> dict[Path, bytes]:
    """The content of those files that are there and have their md5."""
    found = {}
    for path, md5 in files.items():
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            found[path] = content
    return found


def _split(images: Tensor, labels: Tensor, num_classes: int) -> Split:
    """Images [N, C, H, W] and labels [N], which must fit together."""
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images, but {len(labels)} labels")
    if labels.max() >= num_classes:
        raise ValueError(f"label {int(labels.max())}, but {num_classes} classes")
    return Split(images.contiguous(), labels.to(torch.int64))


def _obtain(name: str, folder: Path, layout: _Layout) -> None:
    """Make what is missing or damaged from the archives, fetched where they are not there.

    Raises:
        DatasetError: If that fails, with what to do about it.
    """

    def lacking() -> list[Path]:
        return [path for path, md5 in layout.files.items() if not has_md5(path, md5)]

    try:
        obtain(layout.archives, folder / f".{name}.lock", lacking, opener=https)
    except (OSError, ValueError, EOFError, tarfile.TarError) as error:
        damaged = [path for path in lacking() if path.exists()]
        state = f"is not whole: {_listed(damaged)} not as published," if damaged else f"is not in {folder}"
        raise DatasetError(
            f"{name} {state} and cannot be downloaded ({error or type(error).__name__}).\n"
            + (f"Delete or replace {_listed(damaged)}, or\n" if damaged else "")
            + f"put a copy in {folder}: {_listed(archive.path.relative_to(folder) for archive in layout.archives)}\n"
            f"or unpacked: {_listed(path.relative_to(folder) for path in layout.files)}\n"
            "These need no download: dataset=digits, moons, circles, noisy_line, sine, synthetic_images, "
            "and image_folder with images of your own."
        ) from error


def _listed(paths: Iterable[Path]) -> str:
    return ", ".join(map(str, paths))
