import errno
import fcntl
import os
import platform
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from dlexp.machine import notices
from dlexp.machine.files import open_to_append, read_regular_file, replacing, write_set, write_whole
from tests.reliability.downloads import fork

HERE, RANDOM = platform.node(), "0123456789abcdef"


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    child = fork(lambda: None)
    os.waitpid(child, 0)
    return child


def read_all(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_a_killed_writer_left_is_removed(dead, tmp_path):
    gone = [f".x.json.{HERE}.{dead}.{RANDOM}.tmp", f".other.png.{HERE}.{dead}.{RANDOM}.tmp"]
    kept = [f".x.json.{HERE}.{os.getppid()}.{RANDOM}.tmp", f".x.json.elsewhere.{dead}.{RANDOM}.tmp"]
    kept += [f".x.json.{HERE}.{dead}.tmp", f".x.json.{HERE}.x.{RANDOM}.tmp", f"x.json.{HERE}.{dead}.{RANDOM}.tmp"]
    for name in (*gone, *kept):
        (tmp_path / name).write_text("ha")
    write_whole(tmp_path / "x.json", "whole")
    assert read_all(tmp_path) == {"x.json": "whole", **dict.fromkeys(kept, "ha")}


def test_the_file_of_a_writer_in_another_container_stays(dead, tmp_path):
    """Its number means nothing here, and its host may have the same name. It has its file locked."""
    with (tmp_path / f".x.{HERE}.{dead}.{RANDOM}.tmp").open("w") as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        write_whole(tmp_path / "x", "whole")
        assert len(list(tmp_path.iterdir())) == 2
    write_whole(tmp_path / "x", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "place", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["folder", "pipe", "device"]
)
def test_what_is_no_file_is_no_obstacle_where_a_leftover_may_be(place, dead, tmp_path):
    place(tmp_path / f".x.{HERE}.{dead}.{RANDOM}.tmp")
    write_whole(tmp_path / "x", "whole")
    assert (tmp_path / "x").read_text() == "whole"


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_written_through_a_link(exists, dead, tmp_path, tmp_path_factory):
    victim = tmp_path_factory.mktemp("victim") / "diary"
    if exists:
        victim.write_text("precious")
    for number in (os.getpid(), os.getppid(), dead):  # names that could be guessed
        for name in ("x.json", "log"):
            for random in ("", f".{RANDOM}"):
                (tmp_path / f".{name}.{HERE}.{number}{random}.tmp").symlink_to(victim)
    for name in ("x.json", "log", "part"):
        (tmp_path / name).symlink_to(victim)
    write_whole(tmp_path / "x.json", "new")
    write_set({tmp_path / "part": "new"}, unfinished={tmp_path / "x.json": "unfinished"})
    with pytest.raises(OSError, match="link"):
        open_to_append(tmp_path / "log")
    assert (tmp_path / "part").read_text() == "new"
    assert not (tmp_path / "part").is_symlink()
    assert victim.exists() == exists
    assert not exists or victim.read_text() == "precious"


def link_twice(path):
    path.with_name("y").touch()
    os.link(path.with_name("y"), path)


@pytest.mark.parametrize("place", [os.mkdir, os.mkfifo, link_twice], ids=["folder", "pipe", "hard link"])
def test_only_a_file_of_one_name_is_appended_to(place, tmp_path):
    descriptors = len(os.listdir("/proc/self/fd"))
    place(tmp_path / "x")
    with pytest.raises(OSError):  # noqa: PT011  # a folder, and a pipe without a reader, are refused by the system
        open_to_append(tmp_path / "x")
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_text_is_appended_to_a_file_that_is_made_if_there_is_none(tmp_path):
    for text in ("one\n", "\u00fc\r\n"):
        with open_to_append(tmp_path / "x") as file:
            file.write(text)
    assert (tmp_path / "x").read_bytes() == "one\n\u00fc\r\n".encode()


def test_the_permission_is_that_of_a_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "x", "")
        open_to_append(tmp_path / "y").close()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_threads_and_processes_that_write_one_file_leave_a_whole_one(tmp_path):
    """In the same moment, and each with a name of its own: the last one stays."""
    contents = [bytes([65 + number]) * 10**5 for number in range(8)]

    def write(content):
        for _ in range(20):
            write_whole(tmp_path / ("x" * 200), content)

    children = [fork(lambda: list(map(write, contents))) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, contents))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert [path.read_bytes() in contents for path in tmp_path.iterdir()] == [True]


def test_of_sets_that_are_written_at_once_one_stays_whole(tmp_path):
    paths = [tmp_path / str(number) for number in range(10)]

    def write(version):
        for _ in range(10):
            write_set(dict.fromkeys(paths, version), unfinished={paths[0]: "unfinished"})

    children = [fork(lambda version=version: write(version)) for version in ("one", "two")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("three", "four")))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert len(set(read_all(tmp_path).values())) == 1
    assert len(list(tmp_path.iterdir())) == 10


@pytest.mark.parametrize("durable", [True, False])
def test_an_error_leaves_the_old_file_and_nothing_else(durable, tmp_path):
    write_whole(tmp_path / "x", "old", durable=durable)

    def fail():
        with replacing(tmp_path / "x", durable=durable) as file:
            file.write(b"new")
            raise ZeroDivisionError

    pytest.raises(ZeroDivisionError, fail)
    assert read_all(tmp_path) == {"x": "old"}


def test_a_set_that_cannot_be_written_stays_as_it_was(tmp_path):
    for name in ("page", "part", "obsolete"):
        (tmp_path / name).write_text("old")
    paths = {tmp_path / "page": "new", tmp_path / "part": "new", tmp_path / "nowhere" / "part": "new"}
    with pytest.raises(FileNotFoundError):
        write_set(paths, unfinished={tmp_path / "page": "unfinished"}, obsolete=[tmp_path / "obsolete"])
    assert read_all(tmp_path) == dict.fromkeys(("page", "part", "obsolete"), "old")


def test_a_regular_file_of_any_origin_is_read_up_to_a_size(tmp_path):
    (tmp_path / "x").write_text("four")
    (tmp_path / "link").symlink_to("x")
    assert read_regular_file(tmp_path / "link", 4) == b"four"
    with pytest.raises(ValueError, match="x has more than 3 bytes"):
        read_regular_file(tmp_path / "x", 3)


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "folder", "device"]
)
def test_what_is_no_regular_file_is_refused_and_nothing_waits(make, tmp_path):
    make(tmp_path / "x")
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="x is not a regular file"):
        read_regular_file(tmp_path / "x", 3)
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
@pytest.mark.parametrize("kind", ["folders", "files"])
def test_a_file_system_that_cannot_sync_is_named_once_and_all_is_written(number, kind, tmp_path, monkeypatch, capsys):
    fsync = os.fsync

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == (kind == "folders"):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(notices, "_notified", set())
    for name in "ab":
        write_whole(tmp_path / name, name, durable=True)
    assert read_all(tmp_path) == {"a": "a", "b": "b"}
    printed = capsys.readouterr().err
    assert printed.startswith(f"{tmp_path}: this file system cannot bring {kind} to the disk ({os.strerror(number)}).")
    assert printed.count("\n") == 1
