"""What NFS does with a file that is removed while a process has it open: it stays, as .nfs…, until that closes it."""

import errno
import os

import pytest

from dlexp.run.record.checksums import list_summed_files
from dlexp.run.record.clear import clear, remove

LEFT = ".nfs000000000000a1b200000003"


@pytest.fixture
def folder(tmp_path):
    for name in ("config.yaml", "train.log", "arrays/a.npz", "checkpoints/step-000000001.pt", LEFT, f"arrays/{LEFT}"):
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_text("content")
    return tmp_path / "run"


def keep_open(monkeypatch):
    """Refuse to remove these files, as NFS does."""
    unlink = os.unlink

    def refuse(path, *arguments, **options):
        if LEFT in str(path):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        unlink(path, *arguments, **options)

    monkeypatch.setattr(os, "unlink", refuse)


def test_a_folder_is_emptied_but_for_files_that_are_removed_and_open(folder, monkeypatch):
    keep_open(monkeypatch)
    clear(folder)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [LEFT, "arrays", f"arrays/{LEFT}"]


def test_they_are_no_files_of_the_run(folder):
    assert list_summed_files(folder) == ["arrays/a.npz", "config.yaml"]


def test_what_cannot_be_removed_for_another_reason_is_an_error(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        remove(folder / "arrays")
