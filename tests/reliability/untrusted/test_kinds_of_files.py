"""Every reader of files from elsewhere answers a pipe, a device, a folder, a loop of links and a file without end, at once."""

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from dlexp.analysis.read.text import read_table_text
from dlexp.config import plain_json, plain_yaml
from dlexp.config.lab import read_lab
from dlexp.data import csv_file, image_files, npz_file
from dlexp.data.archive import unpack
from dlexp.data.cache import load_or_make
from dlexp.data.csv_file import read_csv
from dlexp.data.download import has_md5
from dlexp.data.fingerprint import fingerprint
from dlexp.data.hash_store import find_fingerprint, read_hashes
from dlexp.data.image_columns import read_cells
from dlexp.data.image_files import decode_image
from dlexp.data.npz_file import read_headers
from dlexp.errors import CheckpointError, ConfigError, DatasetError
from dlexp.machine.memory import Memory
from dlexp.run.record.checkpoint import newest
from dlexp.run.record.folder import read_summary
from dlexp.run.record.look_log import read_log
from dlexp.run.record.registrations import read_registrations
from dlexp.study.protocol import _read_earlier
from dlexp.study.sharing import _read as _read_manifest
from dlexp.trained import inputs

SECONDS = 5  # a reader that takes longer hangs


def _read_json(path):
    return plain_json.read(path, dict)


def _make_state(path):
    """A checkpoint of a run, of which `path` is the state or the sidecar."""
    folder = path.parent / "run" / "checkpoints"
    folder.mkdir(parents=True)
    for name in ("step-1.json", "step-1.pt"):
        if name == path.name:
            path.rename(folder / name)
        else:
            (folder / name).write_text(json.dumps({"schema": 1, "sha256": "", "files": {}}))
    newest(folder.parent, torch.device("cpu"), 1, "")


# Name of the file → what reads it. Each refuses it by an error of dlexp, or takes it for one that is not there.
READERS = {
    "table.csv": lambda path: read_csv(path),
    "table.csv.gz": lambda path: read_csv(path),
    "labels.csv": read_cells,
    "arrays.npz": lambda path: read_headers(path, "dataset.train"),
    "photo.png": lambda path: decode_image(path, 3, None),
    "given.npy": lambda path: inputs._load_array(path, "given.npy", ()),
    "given.tsv": lambda path: inputs._load_frame(path, "given.tsv"),
    "dlexp.toml": lambda path: read_lab(path.parent),
    "summary.json": lambda path: read_summary(path.parent),
    "protocol.json": _read_earlier,
    "looks.json": lambda path: read_log(path.parent),
    "registrations.json": lambda path: read_registrations(path.parent),
    "sweep.json": _read_manifest,
    "step-1.json": _make_state,
    "step-1.pt": _make_state,
    "config.yaml": plain_yaml.read,
    "other.json": _read_json,
    "metrics.csv": read_table_text,
    "metrics.csv.gz": read_table_text,
    "hashes.txt": read_hashes,
    "fingerprint.txt": lambda path: find_fingerprint(path, ""),
    "archive.gz": lambda path: unpack(path, {}),
    "published": lambda path: has_md5(path, ""),
}
KINDS = ("pipe", "device", "folder", "loop")


@contextmanager
def at_once():
    def give_up(*_):
        pytest.fail(f"it hangs: {SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def make(path, kind):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "loop": path}[kind])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, name, kind):
    make(tmp_path / name, kind)
    with at_once():
        try:
            found = READERS[name](tmp_path / name)
        except (ConfigError, DatasetError, CheckpointError, OSError, ValueError):
            return
    assert not found


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_cache_of_any_kind_is_named(tmp_path, kind):
    make(tmp_path / "cache.pt", kind)
    with at_once():
        if kind == "folder":
            with pytest.raises(DatasetError, match="cannot be written"):
                load_or_make(tmp_path / "cache.pt", lambda: {"one": 1})
        else:
            assert load_or_make(tmp_path / "cache.pt", lambda: {"one": 1}) == {"one": 1}


@pytest.fixture
def little_memory(monkeypatch):
    """64 KiB are free."""
    memory = Memory(physical=2**16, limit=None, available=2**16, shared=None)
    for module in (csv_file, npz_file, inputs):
        monkeypatch.setattr(module, "read_memory", lambda: memory)


BOMB = b"a,b\n" + b"1,2\n" * 20_000  # 80 kB of text


def _zip(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", content)
    return file.getvalue()


PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": _zip}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_table_is_limited_while_it_is_unpacked(tmp_path, little_memory, suffix):
    path = tmp_path / f"table.csv{suffix}"
    path.write_bytes(PACKERS[suffix](BOMB))
    with pytest.raises(ConfigError, match="expected a table that fits into memory"):
        read_csv(path)
    with pytest.raises(DatasetError, match="16384 bytes"):
        inputs._load_frame(path, "table")
    path.write_bytes(PACKERS[suffix](BOMB[:10_000]))
    assert read_csv(path).shape == (2499, 2)
    assert inputs._load_frame(path, "table").shape == (2499, 2)


def test_a_table_of_labels_is_limited_too(tmp_path, monkeypatch):
    monkeypatch.setattr("dlexp.data.image_columns.MAX_BYTES", 1000)
    (tmp_path / "labels.csv.gz").write_bytes(gzip.compress(BOMB))
    with pytest.raises(DatasetError, match="more than 1000 bytes"):
        read_cells(tmp_path / "labels.csv.gz")


def test_an_archive_of_several_tables_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("one.csv", "a\n1\n")
        archive.writestr("two.csv", "a\n1\n")
    with pytest.raises(DatasetError, match="holds 2 files, expected one"):
        read_csv(tmp_path / "two.csv.zip")


@pytest.mark.parametrize("name", ["one.npy", "one.npz"])
def test_an_array_that_does_not_fit_is_refused_by_its_header(tmp_path, little_memory, name):
    path = tmp_path / name
    (np.save if name.endswith("y") else np.savez_compressed)(path, np.zeros((100, 1000)))
    with pytest.raises(ConfigError, match=r"float64 \[100, 1000\] in array.* GiB. 8 of its rows would fit"):
        inputs._load_array(path, name, ())


def test_a_header_without_its_array_reserves_nothing(tmp_path):
    with (tmp_path / "one.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with pytest.raises(ConfigError, match="expected arrays that fit into memory"):
        inputs._load_array(tmp_path / "one.npy", "one.npy", ())


def test_a_sparse_file_is_refused_without_reading_it(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(60 * 2**30)
    with at_once(), pytest.raises(DatasetError, match=r"huge\.png cannot be read as an image \(it has 60\.0 GiB"):
        fingerprint(tmp_path, suffixes=(".png",))
    for name in ("summary.json", "config.yaml"):
        (tmp_path / "huge.png").rename(tmp_path / name)
        with at_once():
            assert read_summary(tmp_path) is None
            with pytest.raises(ValueError, match="more than|bytes"):
                plain_yaml.read(tmp_path / "config.yaml") if name == "config.yaml" else _read_json(tmp_path / name)
        (tmp_path / name).rename(tmp_path / "huge.png")


def test_an_image_file_is_limited_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_IMAGE_BYTES", 50)
    Image.new("L", (40, 40)).save(tmp_path / "photo.png")
    with pytest.raises(DatasetError, match=r"photo\.png cannot be read as an image \(photo\.png has more than 50 bytes"):
        decode_image(tmp_path / "photo.png", 1, None)


def test_an_image_of_many_pixels_in_a_small_file_is_refused_by_name(tmp_path):
    Image.new("1", (13_000, 13_000)).save(tmp_path / "bomb.png")  # 169 million pixels: Pillow itself would only warn
    assert (tmp_path / "bomb.png").stat().st_size < 50_000
    with at_once(), pytest.raises(DatasetError, match=r"bomb\.png .*13000x13000 pixels are more than 89,478,485"):
        decode_image(tmp_path / "bomb.png", 1, None)
