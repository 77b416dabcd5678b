import os

import pytest
import torch

from dlexp.contract import ConfigError, DatasetError
from dlexp.dataset.cache import cached


class Making:
    """Something to keep, and how often it was made."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return {"inputs": torch.arange(1000), "name": "numbers"}


def test_is_made_once(tmp_path):
    make = Making()
    first, second = (cached(tmp_path / "deep" / "x.pt", make) for _ in range(2))
    assert make.times == 1
    assert first["name"] == second["name"] == "numbers"
    assert torch.equal(first["inputs"], second["inputs"])


def test_writing_into_a_tensor_leaves_the_file_alone(tmp_path):
    cached(tmp_path / "x.pt", Making())["inputs"].zero_()
    assert torch.equal(cached(tmp_path / "x.pt", Making())["inputs"], torch.arange(1000))


@pytest.mark.parametrize("content", [b"", b"<html>", "cut off"])
def test_damaged_file_is_made_again(tmp_path, content):
    path, make = tmp_path / "x.pt", Making()
    cached(path, make)
    path.write_bytes(path.read_bytes()[:-100] if content == "cut off" else content)
    assert torch.equal(cached(path, make)["inputs"], torch.arange(1000))
    assert make.times == 2


def test_failure_leaves_nothing_that_is_taken_for_the_result(tmp_path):
    def fail():
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        cached(tmp_path / "x.pt", fail)
    (tmp_path / "x.tmp").write_bytes(b"of a process that was killed")
    assert cached(tmp_path / "x.pt", Making())["name"] == "numbers"
    assert not (tmp_path / "x.tmp").exists()


def test_pickled_code_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made by the pickle"),)

    torch.save(Evil(), tmp_path / "x.pt")
    assert cached(tmp_path / "x.pt", Making())["name"] == "numbers"
    assert not (tmp_path / "made by the pickle").exists()


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"file/x\.pt cannot be written .* dataset\.cache_dir="):
        cached(tmp_path / "file" / "x.pt", Making())
