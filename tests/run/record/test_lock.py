"""Runs are held also where the file system has no locks: by what the holder has written."""

import errno
import fcntl
import json
import os
import platform

import pytest

from dlexp.errors import HeldError, MovedError
from dlexp.machine import notices
from dlexp.run.record import lock
from tests.reliability.downloads import fork


@pytest.fixture
def without_locks(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(notices, "_notified", set())


def claim(folder, *, seconds_ago=0, **fields):
    """What a process has written that was killed, or lives."""
    owner = folder / ".locks" / "one.json"
    owner.parent.mkdir(exist_ok=True)
    owner.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": "noon", "start": "0"} | fields))
    stamp = owner.stat().st_mtime - seconds_ago
    os.utime(owner, (stamp, stamp))
    return owner


def dead():
    child = fork(lambda: None)
    os.waitpid(child, 0)
    return child


def test_a_line_says_so_once_and_the_run_goes_on(without_locks, tmp_path, capsys):
    for identity in ("one", "two"):
        with lock.hold(tmp_path, identity) as held:
            held.check()
            assert (tmp_path / ".locks" / f"{identity}.json").exists()
    assert capsys.readouterr().err.count("this file system has no locks (No locks available)") == 1
    assert list((tmp_path / ".locks").glob("*.json")) == []


def test_a_living_process_of_this_machine_holds_the_run(without_locks, tmp_path):
    owner = claim(tmp_path, pid=os.getppid(), seconds_ago=10_000)
    with pytest.raises(
        HeldError, match=f"held by process {os.getppid()} on .* If that process is another program, remove .*one.json"
    ):
        lock.hold(tmp_path, "one").__enter__()
    assert owner.exists()


@pytest.mark.parametrize("seconds_ago", [0, 10_000])
def test_a_process_of_another_machine_holds_the_run_while_it_gives_signs_of_life(seconds_ago, without_locks, tmp_path):
    claim(tmp_path, host="node017", pid=dead(), seconds_ago=seconds_ago)
    if seconds_ago:
        with lock.hold(tmp_path, "one") as held:
            held.check()
    else:
        with pytest.raises(HeldError, match=r"on node017 since noon, .* It is free in \d+ s if nothing more is written"):
            lock.hold(tmp_path, "one").__enter__()


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"pid": -1, "host": "x"}', '{"pid": 1e99, "host": "x"}', "[" * 100_000])
def test_what_no_holder_writes_holds_nothing(written, without_locks, tmp_path):
    claim(tmp_path).write_text(written)
    with lock.hold(tmp_path, "one") as held:
        held.check()


def test_a_dead_process_of_this_machine_holds_nothing(without_locks, tmp_path):
    claim(tmp_path, pid=dead())
    with lock.hold(tmp_path, "one") as held:
        held.check()


def test_the_first_of_two_stops_where_another_machine_has_begun_with_the_run(without_locks, tmp_path):
    with lock.hold(tmp_path, "one") as held:
        os.utime(held.owner, (0, 0))
        held.check()
        assert held.owner.stat().st_mtime > 1e9  # a sign of life
        owner = claim(tmp_path, host="node017")
        with pytest.raises(HeldError, match="because process .* on node017 since noon has begun with the run"):
            held.check()
    assert owner.exists()  # it is the other's


@pytest.mark.parametrize("locks", ["with", "without"])
def test_a_holder_notices_that_its_lock_is_gone(locks, tmp_path, request):
    if locks == "without":
        request.getfixturevalue("without_locks")
    with lock.hold(tmp_path, "one") as held:
        held.check()
        (tmp_path / ".locks").rename(tmp_path / "locks")
        with pytest.raises(MovedError, match="one.lock was removed while the run was executed: another process may have begun"):
            held.check()
        with lock.hold(tmp_path, "one") as second:
            second.check()
            with pytest.raises(MovedError):
                held.check()


@pytest.mark.parametrize("place", [lambda path: path.symlink_to("x"), os.mkdir], ids=["link", "folder"])
def test_what_is_no_lock_file_is_named(place, tmp_path):
    (tmp_path / ".locks").mkdir()
    place(tmp_path / ".locks/one.lock")
    with pytest.raises(MovedError, match="one.lock is (a link, which is not followed|not a file). Remove it."):
        lock.hold(tmp_path, "one").__enter__()
