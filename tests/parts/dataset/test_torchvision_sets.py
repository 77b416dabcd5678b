"""Files as torchvision expects them, made here; servers on this machine; no network."""

import contextlib
import gzip
import hashlib
import http.server
import pickle
import socket
import struct
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Thread

import numpy as np
import pytest
import torch
from torchvision import datasets

from dlexp.contract import DatasetError
from dlexp.data import download as fetch
from dlexp.parts.dataset import torchvision_sets

MNISTS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
CIFARS = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}
EVERY = MNISTS | CIFARS
COUNTS = {"train": 30, "t10k": 20}


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist_files():
    numbers = np.random.default_rng(0)
    files = {}
    for part, count in COUNTS.items():
        files[f"{part}-images-idx3-ubyte"] = idx(numbers.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx((np.arange(count) % 10).astype(np.uint8))
    return files


def write_mnist(root, name, monkeypatch, **others):
    """MNIST's files with a few random images, some with other content, and their md5 instead of the real ones."""
    folder, files = (
        root / EVERY[name] / "raw",
        mnist_files() | {file.replace("_", "-"): other for file, other in others.items()},
    )
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    publish(name, files, monkeypatch)
    return folder


def publish(name, files, monkeypatch):
    """Have these files for what was published."""
    md5s = {file: hashlib.md5(content).hexdigest() for file, content in files.items()}
    monkeypatch.setitem(torchvision_sets.UNPACKED, EVERY[name], md5s)


def write_cifar(root, name, monkeypatch):
    """CIFAR's pickles with one image of each class, and their md5 instead of the real ones."""
    kind, numbers = getattr(datasets, EVERY[name]), np.random.default_rng(0)
    num_classes, labels = (10, "labels") if name == "cifar10" else (100, "fine_labels")
    (root / kind.base_folder).mkdir(parents=True)

    def write(file, content):
        (root / kind.base_folder / file).write_bytes(pickle.dumps(content))
        return [file, hashlib.md5(pickle.dumps(content)).hexdigest()]

    def write_batch(file):
        pixels = numbers.integers(0, 256, (num_classes, 3072), dtype=np.uint8)
        return write(file, {"data": pixels, labels: list(range(num_classes))})

    for files in ("train_list", "test_list"):
        monkeypatch.setattr(kind, files, [write_batch(file) for file, _ in getattr(kind, files)])
    file, md5 = write(kind.meta["filename"], {kind.meta["key"]: [f"class {index}" for index in range(num_classes)]})
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5})
    return root / kind.base_folder


def read(name, root):
    return getattr(torchvision_sets, name)(root=str(root))


@pytest.fixture
def mirror(monkeypatch):
    """A function that sends each download to this address instead, which need not be an https one."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(torchvision_sets, "open_https", lambda url, seconds: urllib.request.urlopen(url, timeout=seconds))

    def redirect(url):
        monkeypatch.setattr(torchvision_sets, "ADDRESSES", dict.fromkeys(EVERY.values(), url))

    redirect("http://127.0.0.1:9/")  # nobody listens there
    return redirect


@pytest.mark.parametrize("name", MNISTS)
def test_reads_mnist_files(tmp_path, name, monkeypatch):
    write_mnist(tmp_path, name, monkeypatch)
    source = read(name, tmp_path)
    assert source.train.inputs.shape == (30, 1, 28, 28)
    assert source.test.inputs.dtype == torch.uint8
    assert source.test.inputs.numpy().tobytes() == mnist_files()["t10k-images-idx3-ubyte"][16:]
    assert source.train.targets.tolist() == [index % 10 for index in range(30)]
    assert len(source.classes) == 10


@pytest.mark.parametrize(("name", "num_train", "num_classes"), [("cifar10", 50, 10), ("cifar100", 100, 100)])
def test_reads_cifar_files(tmp_path, name, num_train, num_classes, monkeypatch):
    folder = write_cifar(tmp_path, name, monkeypatch)
    source = read(name, tmp_path)
    batch = pickle.loads((folder / ("test_batch" if name == "cifar10" else "test")).read_bytes())
    assert source.train.inputs.shape == (num_train, 3, 32, 32)
    assert source.test.inputs.is_contiguous()
    assert np.array_equal(source.test.inputs.flatten(1), batch["data"])
    assert source.test.targets.tolist() == list(range(num_classes))
    assert len(source.classes) == num_classes


DAMAGES = {
    "cut off": lambda content: content[:-50],
    "web page": lambda _: b"<html>not found</html>",
    "empty": lambda _: b"",
    "too long": lambda content: content + b"x",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"])
def test_damaged_mnist_file_is_named(tmp_path, file, damage, mirror, monkeypatch):
    path = write_mnist(tmp_path, "mnist", monkeypatch) / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DatasetError, match=rf"(?s)MNIST is damaged: {path} not as published, .*\nDelete or replace {path}, or"):
        read("mnist", tmp_path)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [(np.full(30, 10, np.uint8), "label 10, but 10 classes"), (np.zeros(29, np.uint8), "30 images, but 29 labels")],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, problem, monkeypatch):
    write_mnist(tmp_path, "mnist", monkeypatch, train_labels_idx1_ubyte=idx(labels))
    with pytest.raises(DatasetError, match=problem):
        read("mnist", tmp_path)


@pytest.mark.parametrize(("name", "file"), [("cifar10", "data_batch_3"), ("cifar100", "meta")])
def test_damaged_cifar_file_is_named(tmp_path, name, file, mirror, monkeypatch):
    path = write_cifar(tmp_path, name, monkeypatch) / file
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DatasetError, match=rf"(?s)is damaged: {path} not as published, .*\nDelete or replace {path}, or"):
        read(name, tmp_path)


@pytest.mark.parametrize("name", EVERY)
def test_offline_says_what_is_missing_where_it_goes_and_what_else_there_is(tmp_path, name, mirror):
    begin = time.monotonic()
    with pytest.raises(DatasetError) as error:
        read(name, tmp_path / "data")
    text, archive = str(error.value), {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}
    assert f"{EVERY[name]} is not in {tmp_path / 'data'} and cannot be downloaded (http://127.0.0.1:9/" in text
    assert archive.get(name, f"{EVERY[name]}/raw/train-images-idx3-ubyte.gz") in text
    for other in ("digits", "sine", "moons", "circles", "noisy_line", "synthetic_images", "image_folder"):
        assert other in text
    assert time.monotonic() - begin < 3
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_keeps_silent_is_given_up(tmp_path, mirror, monkeypatch):
    monkeypatch.setattr(fetch, "ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        mirror(f"http://127.0.0.1:{server.getsockname()[1]}/")
        begin = time.monotonic()
        with pytest.raises(DatasetError, match=r"no answer within 0\.3 s|timed out"):
            read("fashion_mnist", tmp_path)
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize("name", MNISTS)
def test_archives_are_unpacked_without_a_network(tmp_path, name, mirror, monkeypatch):
    pack(tmp_path / EVERY[name] / "raw", name, monkeypatch)
    assert read(name, tmp_path).train.inputs.shape == (30, 1, 28, 28)


def pack(folder, name, monkeypatch):
    """MNIST's archives, and their md5 instead of the real ones."""
    folder.mkdir(parents=True)
    archives = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in mnist_files().items()}
    for file, content in archives.items():
        (folder / file).write_bytes(content)
    resources = [(file, hashlib.md5(content).hexdigest()) for file, content in archives.items()]
    monkeypatch.setattr(getattr(datasets, EVERY[name]), "resources", resources)
    publish(name, mnist_files(), monkeypatch)


@contextlib.contextmanager
def serve(folder):
    """Address of a web server over a folder, and the list of what it was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()


def test_is_downloaded_once_by_two_at_a_time_in_a_line_a_file(tmp_path, mirror, monkeypatch, capsys):
    pack(tmp_path / "server", "fashion_mnist", monkeypatch)
    with serve(tmp_path / "server") as (url, asked), ThreadPoolExecutor(2) as pool:
        mirror(url)
        first, second = pool.map(partial(read, "fashion_mnist"), [tmp_path / "data"] * 2)
    assert torch.equal(first.train.inputs, second.train.inputs)
    assert asked.count("/t10k-labels-idx1-ubyte.gz") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[3] == f"Downloading t10k-labels-idx1-ubyte.gz (0.0 MiB) to {tmp_path / 'data/FashionMNIST/raw'}"
    assert len(err.splitlines()) == 4


def test_reading_what_is_there_asks_no_server(tmp_path, monkeypatch):
    write_mnist(tmp_path, "mnist", monkeypatch)
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("a socket was opened"))
    assert read("mnist", tmp_path).test.inputs.shape == (20, 1, 28, 28)


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_reads_what_torchvision_reads(tmp_path, name, monkeypatch):
    write_mnist(tmp_path, name, monkeypatch) if name in MNISTS else write_cifar(tmp_path, name, monkeypatch)
    source = read(name, tmp_path)
    for train, split in ((True, source.train), (False, source.test)):
        expected = getattr(datasets, EVERY[name])(tmp_path, train=train)
        images = torch.as_tensor(expected.data)
        assert torch.equal(split.inputs, images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2))
        assert split.targets.tolist() == list(map(int, expected.targets))
        assert source.classes == tuple(expected.classes)
