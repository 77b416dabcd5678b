"""Data sets that torchvision downloads and reads: MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100."""

import contextlib
import http.client
import io
import math
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import torch
from filelock import FileLock

from dlexp.contract import DatasetError, Source, Split

ANSWER_SECONDS = 4.0  # how long a server may take to answer at all
STALL_SECONDS = 30.0  # how long a download may stand still


class _Layout(NamedTuple):
    """Where torchvision looks: files it reads and archives it unpacks, with their md5 if it knows one, and addresses."""

    files: dict[Path, str | None]
    archives: dict[Path, str]
    urls: list[str]


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
    folder = root / kind.__name__ / "raw"
    return _Layout(
        files={folder / Path(archive).stem: None for archive, _ in kind.resources},
        archives={folder / archive: md5 for archive, md5 in kind.resources},
        urls=[mirror + kind.resources[0][0] for mirror in kind.mirrors],
    )


def _cifar_layout(kind: Any, root: Path) -> _Layout:
    files = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
    return _Layout(
        files={root / kind.base_folder / name: md5 for name, md5 in files},
        archives={root / kind.filename: kind.tgz_md5},
        urls=[kind.url],
    )


SETS: dict[str, tuple[str, Callable[[Any, Path], _Layout]]] = {
    "mnist": ("MNIST", _mnist_layout),
    "fashion_mnist": ("FashionMNIST", _mnist_layout),
    "cifar10": ("CIFAR10", _cifar_layout),
    "cifar100": ("CIFAR100", _cifar_layout),
}
"""Option → its class in torchvision, and where that looks."""


def presence(option: str, root: str) -> Presence:
    """What there is of a data set, by the size or the md5 of its files; nothing is loaded or fetched.

    Args:
        option: Of `SETS`.
        root: As the function of that name takes it.
    """
    _, _, layout = _find(option, root)
    there = {path: _is_whole(path, md5) for path, md5 in layout.files.items() if path.is_file()}
    return Presence(
        whole=[path for path in there if there[path]],
        damaged=[path for path in there if not there[path]],
        missing=[path for path in layout.files if path not in there],
        archived=all(path.is_file() for path in layout.archives),
    )


def _find(option: str, root: str) -> tuple[Any, Path, _Layout]:
    """Torchvision's class, the folder, and where the files lie."""
    from torchvision import datasets

    name, layout_of = SETS[option]
    kind, folder = getattr(datasets, name), Path(root).expanduser().absolute()
    return kind, folder, layout_of(kind, folder)


def _read(option: str, root: str) -> Source:
    kind, folder, layout = _find(option, root)
    if not _is_present(layout):
        _download(kind, folder, layout)
    try:
        parts = [kind(folder, train=train) for train in (True, False)]
        train, test = (_split(part.data, part.targets, len(part.classes)) for part in parts)
    except Exception as error:  # whatever a parser makes of bytes that are not what it expects
        damaged = [path for path, md5 in layout.files.items() if not _is_whole(path, md5)] or list(layout.files)
        why = error or type(error).__name__
        raise DatasetError(
            f"{kind.__name__} cannot be read ({why}). Delete or replace {', '.join(map(str, damaged))}"
        ) from error
    return Source(train=train, test=test, classes=tuple(parts[0].classes))


def _split(data: Any, targets: Any, num_classes: int) -> Split:
    images = torch.as_tensor(data)  # [N, 28, 28] or [N, 32, 32, 3]
    images = images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2)
    labels = torch.as_tensor(targets, dtype=torch.int64)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images, but {len(labels)} labels")
    if labels.max() >= num_classes:
        raise ValueError(f"label {int(labels.max())}, but {num_classes} classes")
    return Split(images.contiguous(), labels)


def _is_present(layout: _Layout) -> bool:
    return all(path.is_file() for path in layout.files)


def _is_whole(path: Path, md5: str | None) -> bool:
    """Whether a file has its md5; an idx file (MNIST's, of no known md5) the size that its header says."""
    from torchvision.datasets.utils import check_integrity

    try:
        if md5 is not None:
            return check_integrity(path, md5)
        with path.open("rb") as file:
            header, total = file.read(4 + 4 * 255), path.stat().st_size
    except OSError:
        return False
    num_sizes = header[3] if header[:3] == b"\0\0\x08" and len(header) > 3 else 0  # b"\0\0\x08": unsigned bytes
    sizes = [int.from_bytes(header[4 * index + 4 : 4 * index + 8], "big") for index in range(num_sizes)]
    return num_sizes > 0 and total == 4 + 4 * num_sizes + math.prod(sizes)


def _download(kind: Any, root: Path, layout: _Layout) -> None:
    """Unpack the archives, fetched first where they are missing; one process does it while others wait."""
    from torchvision.datasets.utils import check_integrity

    try:
        if not all(check_integrity(path, md5) for path, md5 in layout.archives.items()):
            _check_answer(layout.urls)  # before anything is made on disk
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{kind.__name__}.lock"):
            if _is_present(layout):
                return
            print(f"Downloading {kind.__name__} to {root}.", file=sys.stderr)
            with _quiet(), _socket_timeout(STALL_SECONDS):
                kind(root, download=True)
    except Exception as error:  # sockets, http, tar, gzip, disk: each has errors of its own
        raise DatasetError(
            f"{kind.__name__} is not in {root} and cannot be downloaded ({error or type(error).__name__}).\n"
            f"Put a copy there: {', '.join(str(path.relative_to(root)) for path in layout.archives)}\n"
            f"or unpacked: {', '.join(str(path.relative_to(root)) for path in layout.files)}\n"
            "These need no download: dataset=digits, moons, circles, noisy_line, synthetic_images, "
            "and image_folder with images of your own."
        ) from error


def _check_answer(urls: list[str]) -> None:
    """Raise unless one of these addresses answers, each within a few seconds.

    In a thread, as no timeout bounds the look-up of a name, and a socket's timeout counts anew for each address of a server.
    """
    reasons: list[str] = []
    for url in urls:
        outcome = [f"no answer within {ANSWER_SECONDS:g} s"]
        thread = Thread(target=_ask, args=(url, outcome), daemon=True)
        thread.start()
        thread.join(ANSWER_SECONDS)
        if not outcome[-1]:
            return
        reasons.append(f"{url}: {outcome[-1]}")
    raise ConnectionError("; ".join(reasons))


def _ask(url: str, outcome: list[str]) -> None:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS):
            outcome.append("")
    except (OSError, http.client.HTTPException) as error:
        outcome.append(str(error))


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torchvision's progress bars, which would tear the log of a sweep."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
