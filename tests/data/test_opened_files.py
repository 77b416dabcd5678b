import io
import os
import sys
import threading
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_iris

from dlexp.data.opened_files import find_unlisted_files, record_opened_files
from dlexp.errors import DatasetError


@pytest.fixture
def folder(tmp_path):
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    torch.save({"a": torch.zeros(1)}, tmp_path / "tensor.pt")
    Image.new("RGB", (2, 2)).save(tmp_path / "image.png")
    (tmp_path / "text.csv").write_text("1,2")
    return tmp_path


WAYS = {
    "text.csv": [
        lambda path: open(path).close(),
        lambda path: open(bytes(path), "rb").close(),
        lambda path: io.FileIO(str(path)).close(),
        lambda path: os.close(os.open(path, os.O_RDONLY)),
        lambda path: path.open("r+").close(),
        lambda path: np.loadtxt(path, delimiter=","),
    ],
    "numbers.npy": [np.load, lambda path: np.load(path, mmap_mode="r")],
    "tensor.pt": [torch.load, lambda path: torch.load(path, mmap=True)],
    "image.png": [lambda path: Image.open(path).close()],
}


@pytest.mark.parametrize(("name", "number"), [(name, number) for name, ways in WAYS.items() for number in range(len(ways))])
def test_a_file_opened_for_reading_is_recorded(folder, name, number):
    with record_opened_files() as opened:
        WAYS[name][number](folder / name)
    assert opened == [folder / name]


def test_relative_paths_are_those_of_the_moment_and_links_are_resolved(folder, monkeypatch):
    (folder / "link").symlink_to(folder / "text.csv")
    with record_opened_files() as opened:
        monkeypatch.chdir(folder)
        open("link").close()
        open("image.png").close()
        monkeypatch.chdir("/")
    assert opened == [folder / "image.png", folder / "text.csv"]


def test_what_is_no_input_is_left_out(folder):
    with record_opened_files(folder / "cache") as opened:
        (folder / "cache").mkdir()
        (folder / "cache" / "old.pt").write_text("")
        (folder / "cache" / "old.pt").read_text()
        (folder / "written").write_text("")
        (folder / "made").open("w+").close()
        with pytest.raises(FileNotFoundError):
            (folder / "nowhere").read_text()
        Path("/proc/self/status").read_text()
        os.close(os.open(folder, os.O_RDONLY))
        load_iris()
        open(__file__).close()  # an imported module
        open(sys.modules["dlexp.data.opened_files"].__file__).close()
    assert opened == []


def test_nothing_is_recorded_outside_the_context_and_an_error_ends_it(folder):
    with pytest.raises(FileNotFoundError), record_opened_files() as opened:  # noqa: PT012
        (folder / "text.csv").read_text()
        (folder / "nowhere").read_text()
    open(folder / "image.png").close()
    assert opened == [folder / "text.csv"]


def test_nested_recordings_see_their_own_part(folder):
    with record_opened_files() as outer:
        open(folder / "text.csv").close()
        with record_opened_files() as inner:
            open(folder / "image.png").close()
    assert (outer, inner) == ([folder / "image.png", folder / "text.csv"], [folder / "image.png"])


def test_files_opened_by_threads_are_recorded(folder):
    paths = [folder / f"{number:03}" for number in range(200)]
    for path in paths:
        path.write_text("")
    with record_opened_files() as opened, ThreadPool(4) as pool:
        pool.map(Path.read_bytes, paths)
    assert opened == paths


def test_recordings_start_and_end_in_several_threads_at_once(folder):
    found = []

    def record():
        for _ in range(10):
            with record_opened_files() as opened:
                (folder / "text.csv").read_bytes()
            found.append(opened)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[folder / "text.csv"]] * 40


def test_files_that_no_key_names_are_found(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    names = [folder / "image.png", folder / ".hidden.png", folder / "text.csv", other / "labels.csv", other / "more.csv"]
    for path in names[1:]:
        path.write_text("1")
    assert find_unlisted_files(names, [folder, other / "labels.csv"]) == [folder / ".hidden.png", other / "more.csv"]
    assert find_unlisted_files(names, [folder], (".png",)) == [folder / ".hidden.png", *names[2:]]
    (other / "linked").symlink_to(folder)
    assert find_unlisted_files([folder / "image.png"], [other]) == []


def test_a_listed_path_that_is_gone_is_named(tmp_path):
    with pytest.raises(DatasetError, match="nowhere cannot be read"):
        find_unlisted_files([], [tmp_path / "nowhere"])
