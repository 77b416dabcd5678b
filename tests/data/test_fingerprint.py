import os
import shutil
from pathlib import Path

import pytest

from dlexp.contract import ConfigError, DatasetError
from dlexp.data.fingerprint import fingerprint


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    for name in ("cat/1.jpg", "cat/2.JPG", "dog/deep/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def change(path):
    path.write_bytes(path.read_bytes().swapcase())  # same size
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


CHANGES = {
    "content": lambda root: change(root / "cat" / "1.jpg"),
    "name": lambda root: (root / "cat" / "1.jpg").rename(root / "cat" / "3.jpg"),
    "class": lambda root: (root / "cat" / "2.JPG").rename(root / "dog" / "2.JPG"),
    "one more": lambda root: (root / "dog" / "new.webp").write_bytes(b""),
    "one less": lambda root: (root / "cat" / "2.JPG").unlink(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_sees_a_change(root, tmp_path, what):
    before = fingerprint(root, tmp_path / "cache")
    CHANGES[what](root)
    assert fingerprint(root, tmp_path / "cache") != before


def test_swapped_contents_are_another_fingerprint(root):
    before = fingerprint(root)
    (root / "cat" / "1.jpg").write_bytes(b"cat/2.JPG")
    (root / "cat" / "2.JPG").write_bytes(b"cat/1.jpg")
    assert fingerprint(root) != before


def test_does_not_depend_on_where_the_folder_lies(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "elsewhere" / "copy")
    (tmp_path / "link").symlink_to(root)
    assert fingerprint(root) == fingerprint(copy, tmp_path / "cache") == fingerprint(tmp_path / "link", tmp_path / "cache")


def test_ignores_what_is_no_image(root):
    before = fingerprint(root)
    for name in ("notes.txt", "cat/.hidden.jpg", ".cache/1.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    assert fingerprint(root) == before


def test_second_time_reads_no_image(root, tmp_path, monkeypatch):
    first = fingerprint(root, tmp_path / "cache")
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"read {path}"))
    assert fingerprint(root, tmp_path / "cache") == first


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.root: expected a folder .*/nowhere"):
        fingerprint(tmp_path / "nowhere")


def test_unreadable_file_is_named(root):
    (root / "cat" / "broken.jpg").symlink_to("nothing")
    with pytest.raises(DatasetError, match=r"broken\.jpg cannot be read"):
        fingerprint(root)
