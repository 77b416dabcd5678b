"""R43: a process or a disk that stands still for a while is not taken for a dead one, and changes nothing."""

import json
import os
import signal
import time

import pytest

from tests.reliability import harness
from tests.reliability.harness import fork, left, wait
from tests.runs import MOONS, only_last

LONG = only_last((*MOONS, "dropout=0.2", "batch_size=4", "checkpoint_every=0.05", "epochs=60", "hardware=cpu"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    root = tmp_path_factory.mktemp("stalls") / "whole"
    harness.train(LONG, root)
    return left(root)


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_a_stopped_holder_keeps_its_run(seconds, tmp_path, uninterrupted, record_property):
    root, errors = tmp_path / "root", tmp_path / "root.err"
    holder = fork(LONG, root)
    end = time.monotonic() + 60
    while not list(root.glob("adhoc/*/checkpoints/step-*.pt")):
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(holder, signal.SIGSTOP)
    stopped = time.monotonic()
    while time.monotonic() < stopped + seconds:
        assert wait(fork(LONG, root)) == 3
        time.sleep(seconds / 3)
    os.kill(holder, signal.SIGCONT)
    assert wait(holder) == 0
    record_property("R43", [1, int(left(root) != uninterrupted)])
    assert errors.read_text().count(f"is held by process {holder} on ") >= 2
    assert left(root) == uninterrupted


def delay(seconds):
    """Let each fsync take longer."""
    fsync = os.fsync

    def slow(descriptor):
        time.sleep(seconds)
        fsync(descriptor)

    os.fsync = slow


@pytest.mark.parametrize("seconds", [0.2, pytest.param(2, marks=pytest.mark.slow)])
def test_a_slow_disk_is_saved_to_more_rarely(seconds, tmp_path, uninterrupted, record_property):
    """A state costs five fsyncs at most; the first says what one costs, and there is no time for another but the last."""
    assert wait(fork(LONG, tmp_path / "root", lambda: delay(seconds))) == 0
    (path,) = tmp_path.glob("root/adhoc/*/summary.json")
    spent = json.loads(path.read_text())["seconds"]
    record_property("R43", [1, int(left(tmp_path / "root") != uninterrupted)])
    assert 4 * seconds <= spent["checkpoint"] < 2 * 6 * seconds + 2
    assert spent["train"] < 5 * seconds + 20
    assert left(tmp_path / "root") == uninterrupted
