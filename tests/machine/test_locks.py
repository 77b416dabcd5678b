import errno
import fcntl
import os
import threading

import pytest

from dlexp.machine import notices
from dlexp.machine.locks import is_at, locking_file, try_lock_file
from tests.reliability.downloads import fork


def lock_in_another_process(path):
    """Whether another process gets the lock."""
    child = fork(lambda: os._exit(0 if try_lock_file(path) else 3))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_one_process_has_the_lock_until_it_closes_the_file(tmp_path):
    held = try_lock_file(tmp_path / "x")
    assert held.is_in_place()
    assert try_lock_file(tmp_path / "x") is None
    assert not lock_in_another_process(tmp_path / "x")
    held.close()
    assert lock_in_another_process(tmp_path / "x")


def test_a_forked_process_does_not_keep_the_lock(tmp_path):
    held = try_lock_file(tmp_path / "x")
    reader, writer = os.pipe()
    child = fork(lambda: os.close(writer) or os.read(reader, 1))
    held.close()
    assert lock_in_another_process(tmp_path / "x")
    os.close(writer)
    os.waitpid(child, 0)


@pytest.mark.parametrize("move", [os.unlink, lambda path: path.rename(path.with_name("y"))], ids=["removed", "renamed"])
def test_a_lock_file_that_is_not_in_its_place_is_noticed(move, tmp_path):
    held = try_lock_file(tmp_path / "x")
    move(tmp_path / "x")
    assert not held.is_in_place()
    other = try_lock_file(tmp_path / "x")
    assert other.is_in_place()
    assert not held.is_in_place()


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE, errno.ENOTDIR])
def test_what_a_network_file_system_has_lost_is_not_there(number, tmp_path, monkeypatch):
    held = try_lock_file(tmp_path / "x")

    def refuse(_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", refuse)
        found = is_at(tmp_path / "x", held.descriptor)
    assert not found


def test_a_file_that_cannot_be_looked_at_is_an_error_of_the_disk(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", refuse)
        with pytest.raises(OSError, match="Input/output"):
            is_at(tmp_path, 0)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_where_there_are_no_locks_nothing_waits_and_one_line_says_so(number, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(notices, "_notified", set())
    with locking_file(tmp_path / "x"), locking_file(tmp_path / "x"):
        pass
    assert capsys.readouterr().err.count("this file system has no locks") == 1


def test_one_waits_for_the_other(tmp_path):
    order = []

    def work():
        with locking_file(tmp_path / "x"):
            order.append("second")

    with locking_file(tmp_path / "x"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
