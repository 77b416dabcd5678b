import os
import resource
import sys
import time
import zipfile

import pytest
import torch

from dlexp.contract import ConfigError, DatasetError
from dlexp.data.cache import _is_whole, load_or_make
from tests.reliability.downloads import fork


class Making:
    """Something to keep, and how often it was made."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return {"inputs": torch.arange(1000), "name": "numbers"}


def test_is_made_once(tmp_path):
    make = Making()
    first, second = (load_or_make(tmp_path / "deep" / "x.pt", make) for _ in range(2))
    assert make.times == 1
    assert first["name"] == second["name"] == "numbers"
    assert torch.equal(first["inputs"], second["inputs"])


def test_writing_into_a_tensor_leaves_the_file_alone(tmp_path):
    load_or_make(tmp_path / "x.pt", Making())["inputs"].zero_()
    assert torch.equal(load_or_make(tmp_path / "x.pt", Making())["inputs"], torch.arange(1000))


@pytest.mark.parametrize("content", [b"", b"<html>", "cut off"])
def test_a_damaged_file_is_made_again_with_a_message(tmp_path, content, capsys):
    path, make = tmp_path / "x.pt", Making()
    load_or_make(path, make)
    assert capsys.readouterr().err == ""
    path.write_bytes(path.read_bytes()[:-100] if content == "cut off" else content)
    assert torch.equal(load_or_make(path, make)["inputs"], torch.arange(1000))
    assert make.times == 2
    assert capsys.readouterr().err == f"{path} is damaged and is made again.\n"


def reread(path, content):
    """What a process that starts now gets of a file with this content, and whether it had to be made."""
    path.write_bytes(content)
    _is_whole.cache_clear()
    make = Making()
    found = load_or_make(path, make)
    return torch.equal(found["inputs"], torch.arange(1000)) and found["name"] == "numbers", make.times


@pytest.mark.parametrize("part", range(10))
def test_no_flipped_bit_is_taken_for_the_result(tmp_path, part):
    """Of 400: some fall where the file has nothing but padding."""
    path = tmp_path / "x.pt"
    load_or_make(path, Making())
    content = path.read_bytes()
    bits = [(8 * len(content) - 1) * number // 399 for number in range(part, 400, 10)]
    flipped = [content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :] for bit in bits]
    outcomes = [reread(path, one) for one in flipped]
    assert all(right for right, _ in outcomes)
    assert sum(made for _, made in outcomes) > 25


def test_no_length_but_the_whole_is_taken_for_the_result(tmp_path):
    path = tmp_path / "x.pt"
    load_or_make(path, Making())
    content = path.read_bytes()
    assert {reread(path, content[: len(content) * number // 200]) for number in range(200)} == {(True, 1)}
    assert reread(path, content) == (True, 0)


def test_bare_torch_would_have_read_a_flipped_bit(tmp_path):
    """The negative control: why the archive's own checksums are looked at."""
    path = tmp_path / "x.pt"
    load_or_make(path, Making())
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(1000).numpy().tobytes()) + 800] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path, weights_only=True, mmap=True)["inputs"], torch.arange(1000))
    assert reread(path, bytes(content)) == (True, 1)


def test_a_file_is_looked_through_once_in_a_process(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda archive: looked.append(archive.filename))
    for _ in range(3):
        load_or_make(tmp_path / "x.pt", Making())
    assert len(looked) == 1


def test_eight_processes_make_a_damaged_file_once(tmp_path):
    path, log = tmp_path / "x.pt", tmp_path / "made"
    load_or_make(path, Making())
    path.write_bytes(path.read_bytes()[:-9])

    def make():
        with log.open("a") as file:
            file.write("x")
        time.sleep(0.2)
        return Making()()

    def want():
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        assert torch.equal(load_or_make(path, make)["inputs"], torch.arange(1000))

    children = [fork(want) for _ in range(8)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert log.read_text() == "x"


def test_a_full_disk_leaves_nothing(tmp_path):
    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        with pytest.raises(DatasetError, match="cannot be written"):
            load_or_make(tmp_path / "x.pt", Making())

    assert os.waitpid(fork(full), 0)[1] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.lock"]


def test_failure_leaves_nothing_that_is_taken_for_the_result(tmp_path):
    def fail():
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        load_or_make(tmp_path / "x.pt", fail)
    assert load_or_make(tmp_path / "x.pt", Making())["name"] == "numbers"
    assert not list(tmp_path.glob("*.tmp"))


def test_pickled_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made by the pickle"),)

    torch.save(Evil(), tmp_path / "x.pt")
    assert load_or_make(tmp_path / "x.pt", Making())["name"] == "numbers"
    assert not (tmp_path / "made by the pickle").exists()


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"file/x\.pt cannot be written .* dataset\.cache_dir="):
        load_or_make(tmp_path / "file" / "x.pt", Making())
