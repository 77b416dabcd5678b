"""R01, R15, R31, R43 for sweeps that execute several runs at the same time: workers that are killed, stopped or refused."""

import os
import random
import resource
import signal
import threading
import time
from contextlib import contextmanager
from functools import cache

import pytest

from dlexp.errors import DiskError
from dlexp.study import workers
from tests import ROOT
from tests.parallel_sweeps import SAVING, has_saved, list_runs, read_files, read_holders, run_sweep, wait_until
from tests.processes import Command
from tests.runs import only_last

SIX = ("norm=bn,ln,none", "seed=0,1", "batch_size=4", "epochs=60", "checkpoint_every=0.02")
TWO = ("seed=0,1", "batch_size=4", "epochs=10", "checkpoint_every=0.02")


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Returns what a sweep with these overrides leaves that executes one run after the other."""

    @cache
    def leave(overrides):
        root = tmp_path_factory.mktemp("serial")
        assert run_sweep(*overrides, root=root) == 0
        return read_files(root)

    return leave


@contextmanager
def disturbing(root, disturb, pause, seed=0, most=10_000):
    """Within this context, `disturb` is called with a worker that executes a run, again and again; yields the times of it."""
    choose, is_over, times = random.Random(seed), threading.Event(), []

    def work():
        while len(times) < most and not is_over.wait(choose.uniform(0, pause)):
            pids = [pid for pid in read_holders(root).values() if pid != os.getpid()]
            if pids:
                try:
                    disturb(choose.choice(pids), choose)
                except ProcessLookupError:
                    continue  # it has just ended
                times.append(time.monotonic())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield times
    finally:
        is_over.set()
        thread.join()


def kill(pid, choose):
    os.kill(pid, signal.SIGKILL)


def stop_for_a_while(pid, choose):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(choose.uniform(0, 0.6))
    os.kill(pid, signal.SIGCONT)


@pytest.mark.slow(seconds=240)
def test_workers_killed_a_hundred_times_leave_what_a_serial_sweep_leaves(serial, in_memory, monkeypatch, record_property):
    monkeypatch.setattr(workers, "MAX_ENDS", 1000)
    kills = wrong = rounds = 0
    while kills < 100:
        root, rounds = in_memory / str(rounds), rounds + 1
        with disturbing(root, kill, pause=0.6, seed=rounds) as times:
            assert run_sweep(*SIX, "jobs=2", root=root) == 0
        kills += len(times)
        wrong += read_files(root) != serial(SIX)
        wrong += len(list(root.rglob("*.tmp"))) + len(read_holders(root))
    record_property("R01", [kills, wrong])
    assert wrong == 0


@pytest.mark.slow(seconds=60)
def test_workers_that_are_stopped_for_a_while_go_on(serial, in_memory, record_property):
    with disturbing(in_memory, stop_for_a_while, pause=0.2) as times:
        assert run_sweep(*SIX, "jobs=2", root=in_memory) == 0
    record_property("R43", [len(times), int(read_files(in_memory) != serial(SIX))])
    assert len(times) > 2
    assert read_files(in_memory) == serial(SIX)


@pytest.mark.slow(seconds=60)
def test_a_command_with_a_stopped_worker_ends_after_the_grace_time(in_memory, monkeypatch):
    monkeypatch.setattr(workers.signals, "GRACE", 0.5)
    monkeypatch.setattr(workers, "SPARE_SECONDS", 0.5)
    monkeypatch.setattr(workers.signals, "_requested", None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process that `nohup … &` started does not have
    stopped = []

    def stop_one():
        wait_until(lambda: len(read_holders(in_memory)) == 2)
        stopped.append(next(iter(read_holders(in_memory).values())))
        os.kill(stopped[0], signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop_one)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_sweep(*TWO, "epochs=100000", "jobs=2", root=in_memory)
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    wait_until(lambda: stopped[0] not in read_holders(in_memory).values() or not os.path.exists(f"/proc/{stopped[0]}"))


@pytest.mark.slow(seconds=60)
def test_two_sweeps_with_several_jobs_share_the_work(serial, in_memory, record_property):
    root = in_memory / "outputs"
    overrides = only_last((*SAVING, *SIX, "jobs=2", f"output_dir={root}"))
    commands = [Command(str(ROOT / "train.py"), "-m", *overrides, cwd=in_memory) for _ in range(2)]
    with disturbing(root, kill, pause=3, most=2) as times:
        printed = [command.communicate(timeout=200) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], printed
    assert all("6 runs: " in out and " 0 failed" in out for out, _ in printed)
    assert run_sweep(*SIX, "jobs=2", root=root) == 0  # what both had passed over, because the other held it
    record_property("R31", [len(times), int(read_files(root) != serial(SIX))])
    assert read_files(root) == serial(SIX)
    assert len(list_runs(root)) == 6


def test_a_disk_that_is_full_for_one_worker_ends_the_sweep_and_it_goes_on(serial, in_memory):
    def limit_one():
        wait_until(
            lambda: len(read_holders(in_memory)) == 2 and all(has_saved(in_memory, one) for one in read_holders(in_memory))
        )
        resource.prlimit(next(iter(read_holders(in_memory).values())), resource.RLIMIT_FSIZE, (5_000, 5_000))

    thread = threading.Thread(target=limit_one)
    thread.start()
    with pytest.raises(DiskError, match="File too large"):
        run_sweep(*TWO, "epochs=100000", "jobs=2", root=in_memory)
    thread.join()
    assert read_holders(in_memory) == {}
    assert not list(in_memory.glob("adhoc/*/summary.json"))
    assert len({path.parts[-3] for path in in_memory.glob("adhoc/*/checkpoints/step-*.json")}) == 2
    assert run_sweep(*TWO, "jobs=2", root=in_memory / "again") == 0
    assert read_files(in_memory / "again") == serial(TWO)
