import errno
import os
import socket

import pytest

from dlexp.data.file_listing import file_state, list_files, list_names
from dlexp.data.fingerprint import fingerprint
from dlexp.errors import DatasetError


@pytest.fixture
def root(tmp_path):
    for name in ("a/1.txt", "a/b/2.txt", "3.TXT"):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "files"


def test_every_file_has_its_path_and_its_state(root):
    assert list_files(root) == {name: file_state((root / name).stat()) for name in ("a/1.txt", "a/b/2.txt", "3.TXT")}


def test_suffixes_are_compared_without_case(root):
    (root / "a" / "4.csv").write_text("")
    (root / "5.csv").mkdir()
    (root / "5.csv" / "6.txt").write_text("")
    assert sorted(list_files(root, (".txt",))) == ["3.TXT", "5.csv/6.txt", "a/1.txt", "a/b/2.txt"]


def test_hidden_files_pipes_and_sockets_are_left_out(root, monkeypatch):
    before = list_files(root)
    (root / ".hidden").write_text("")
    (root / ".folder").mkdir()
    (root / ".folder" / "1.txt").write_text("")
    os.mkfifo(root / "pipe")
    (root / "to_pipe").symlink_to(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert list_files(root) == before


def test_links_to_files_and_folders_are_followed(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "5.txt").write_text("5")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (root / "4.txt").symlink_to(tmp_path / "elsewhere" / "5.txt")
    found = list_files(root)
    assert found["linked/5.txt"] == found["again/5.txt"] == found["4.txt"] == file_state((root / "4.txt").stat())


@pytest.mark.parametrize("target", ["a", "."])
def test_a_loop_of_links_is_refused(root, target):
    (root / "a" / "loop").symlink_to(root / target)
    with pytest.raises(DatasetError, match=r"a/loop.* is a link to a folder that holds it.*Remove the link"):
        list_files(root)


@pytest.mark.parametrize("target", ["nowhere", "broken.txt"])
def test_a_link_that_leads_nowhere_is_named(root, target):
    (root / "broken.txt").symlink_to(root / target)
    with pytest.raises(DatasetError, match=r"broken\.txt cannot be read"):
        list_files(root)


def test_an_unreadable_folder_is_named(root, monkeypatch):
    original = os.open

    def refuse(path, *given):
        if str(path).endswith("/b"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return original(path, *given)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DatasetError, match=r"a/b cannot be read \(Permission denied\)"):
        list_files(root)


def test_names_that_are_not_utf_8_are_files_like_others(root, tmp_path):
    name = os.fsencode(root) + b"/\xff\xfe.txt"
    with open(name, "wb") as file:
        file.write(b"x")
    assert os.fsdecode(b"\xff\xfe.txt") in list_files(root)
    first = fingerprint(root, tmp_path / "cache")
    os.rename(name, os.fsencode(root) + b"/\xff\xfd.txt")
    assert fingerprint(root, tmp_path / "cache") != first


def test_names_are_those_of_the_same_files_and_of_the_folders(root):
    (root / ".hidden").write_text("")
    (root / "empty" / ".folder").mkdir(parents=True)
    (root / "link").symlink_to(root / "a")
    os.mkfifo(root / "pipe")
    files, folders = list_names(root)
    assert sorted(files) == sorted(list_files(root))
    assert sorted(folders) == ["a", "a/b", "empty", "link", "link/b"]


def test_a_link_to_a_folder_above_is_refused_by_name_too(root):
    (root / "a" / "up").symlink_to(root)
    with pytest.raises(DatasetError, match="is a link to a folder that holds it"):
        list_names(root)
