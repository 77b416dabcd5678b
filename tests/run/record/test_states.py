import errno
import os

import pytest

from dlexp.errors import DiskError
from dlexp.run.record.layout import find_run_folder
from dlexp.run.record.states import list_states
from dlexp.run.record.verify import verify_tree


@pytest.fixture
def refuse_listing(monkeypatch):
    """A folder that cannot be read, also where the tests have all permissions."""

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    return lambda: monkeypatch.setattr(os, "listdir", refuse)


def test_states_are_listed_with_the_newest_first(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("step-000000002.pt", "step-000000010.pt", "step-000000010.json", "best.pt"):
        (tmp_path / "checkpoints" / name).touch()
    assert [path.name for path in list_states(tmp_path)] == ["step-000000010.pt", "step-000000002.pt"]


def test_a_run_without_a_folder_of_states_has_none(tmp_path):
    assert list_states(tmp_path) == []
    (tmp_path / "checkpoints").touch()
    assert list_states(tmp_path) == []


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path, refuse_listing):
    refuse_listing()
    with pytest.raises(PermissionError):
        list_states(tmp_path)
    with pytest.raises(DiskError, match="cannot be read"):
        find_run_folder(tmp_path, "0" * 12)


def test_verify_names_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "study" / "figures").mkdir(parents=True)
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("figures"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(verify_tree(tmp_path))
    assert [(entry.path, entry.problems) for entry in found] == [
        (tmp_path / "study" / "figures", ["cannot be read (Permission denied)"])
    ]
