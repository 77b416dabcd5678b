"""A signal ends a run after its step, with its state saved: 75, and the same command ends it as if there had been none."""

import ctypes
import functools
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from dlexp.commands.attempt import attempt
from dlexp.errors import ConfigError
from dlexp.run import run_state, signals
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.training.single_learner import SingleLearner
from tests import ROOT
from tests.processes import Command
from tests.reliability.harness import fork, left, wait
from tests.reliability.interruptions.test_exact_resume import CONFIGS, differing, finish_interrupted
from tests.runs import IMAGES, MOONS, SERIES, only_last, prepare, run

TRAIN = ROOT / "train.py"
SAVING = ("checkpoint_every=0.05", "hardware=cpu")
LONG = {
    "dropout": (*MOONS, "dropout=0.2", "batch_size=4"),
    "augmentation and batch norm": (*IMAGES, "augment=standard", "augment.padding=1", "batch_size=4"),
    "a series": (*SERIES, "batch_size=4"),
    "fp16 scaler": (*MOONS, "precision=fp16", "precision.growth_interval=9", "batch_size=4"),
}


def start(folder, overrides):
    return Command(str(TRAIN), *only_last(overrides), cwd=folder)


def holds(process, folder):
    """Wait until the process holds the run, and so has its signal handlers."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.returncode is None:
        for owner in folder.glob("outputs/adhoc/.locks/*.json"):
            if f'"pid": {process.pid},' in owner.read_text():
                return
        time.sleep(0.01)
    raise AssertionError(process.read())


def saved(process, folder):
    """Wait until there is a saved state."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.returncode is None:
        if any(folder.glob("outputs/adhoc/*/checkpoints/step-*.json")):
            return
        time.sleep(0.01)
    raise AssertionError(process.read())


KILLS = [signal.SIGKILL] * 5


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("dropout", [signal.SIGTERM, signal.SIGUSR1, *KILLS])]
    + [pytest.param(name, KILLS * 5, marks=pytest.mark.slow(seconds=300)) for name in LONG],
)
def test_the_command_goes_on_after_any_signal(name, numbers, in_memory, record_property):
    """R02, R18: the command as it is typed, ended again and again."""
    choose, overrides = random.Random(2), (*LONG[name], *SAVING, f"epochs={16 * len(numbers)}")
    for position, number in enumerate(numbers, 1):
        process = start(in_memory, overrides)
        holds(process, in_memory)
        if position == len(numbers):  # on a busy machine the others may all have ended before the first state was saved
            saved(process, in_memory)
        time.sleep(choose.uniform(0, 0.15))
        os.kill(process.pid, number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == (-number if number == signal.SIGKILL else signals.RESUMABLE), err
        assert number == signal.SIGKILL or "The same command goes on" in err
        assert not list(in_memory.glob("outputs/adhoc/*/summary.json"))
    last = start(in_memory, overrides)
    run(*overrides, root=in_memory / "whole" / "outputs")
    out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    assert "Goes on from step-" in out
    assert "not exact" not in out
    same = left(in_memory / "outputs") == left(in_memory / "whole/outputs")
    record_property("R02", [len(numbers), int(not same)])
    assert same


@pytest.mark.slow(seconds=60)
@pytest.mark.parametrize("number", signals.SIGNALS)
def test_a_signal_at_any_instant_is_answered_within_two_seconds(number, in_memory, record_property):
    """R18: 50 signals of each kind, at random instants of the start, the steps, the evaluations and the saves."""
    configs = {name: CONFIGS[name] for name in ("dropout and plateau", "probes")}
    outcomes = finish_interrupted(in_memory / "signalled", faults=25, numbers=[number], configs=configs)
    wrong = differing(in_memory / "signalled", outcomes, configs) + [
        text for one in outcomes.values() for text in one["problems"]
    ]
    latency = max(one["latency"] for one in outcomes.values())
    record_property("R18", [sum(one["faults"] for one in outcomes.values()), len(wrong) + (latency > 2)])
    assert wrong == []
    assert latency <= 2


def test_a_second_signal_ends_at_once(tmp_path):
    process = start(tmp_path, (*LONG["dropout"], *SAVING, "epochs=10000"))
    holds(process, tmp_path)
    os.kill(process.pid, signal.SIGSTOP)  # so that both arrive before the next step can end
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == signals.RESUMABLE
    assert not list(tmp_path.glob("outputs/adhoc/*/summary.json"))


def deadlock():
    """Hang in a call that no signal interrupts, as in a GPU's driver."""
    mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


@pytest.mark.parametrize("hang", [deadlock, functools.partial(time.sleep, 600)])
def test_a_step_that_hangs_is_ended(hang, tmp_path):
    """R18: before the scheduler kills it, and with the state that was saved last."""
    overrides, hangs = only_last((*LONG["dropout"], *SAVING, "epochs=2")), tmp_path / "hangs"

    def before():
        signals.GRACE, calls, step = 0.5, [], SingleLearner.step

        def stepped(*arguments):
            calls.append(1)
            if len(calls) == 20:
                hangs.touch()
                hang()
            step(*arguments)

        SingleLearner.step = stepped

    child = fork(overrides, tmp_path / "hung", before)
    rescue = threading.Timer(60, os.kill, [child, signal.SIGKILL])
    rescue.start()
    while not hangs.exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGTERM)
    code = wait(child)
    rescue.cancel()
    assert code == signals.RESUMABLE
    assert "Not ended 0.5 s after SIGTERM: ended without saving." in (tmp_path / "hung.err").read_text()
    assert wait(fork(overrides, tmp_path / "hung")) == 0
    run(*overrides, root=tmp_path / "whole")
    assert left(tmp_path / "hung") == left(tmp_path / "whole")


WORKER = """
import os, signal, time
from dlexp.run import signals
signals.listen()
signals.GRACE = 0.2
ready, tell = os.pipe()
worker = os.fork()
if not worker:
    try:
        os.write(tell, b"!")
        time.sleep(9)
    finally:
        os._exit(0)
os.read(ready, 1)
os.kill(worker, signal.SIGTERM)
os.waitpid(worker, 0)
time.sleep(0.6)
print("goes on")
"""


def test_a_signal_to_a_worker_does_not_end_the_run():
    """The worker has the handlers that it was forked with."""
    done = subprocess.run([sys.executable, "-c", WORKER], cwd=TRAIN.parent, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("goes on\n", 0)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, signals.RESUMABLE), (None, 2)])
def test_a_library_may_end_with_an_error_of_its_own_when_it_is_interrupted(number, expected, monkeypatch):
    def work():
        raise ConfigError("as OmegaConf says when it stops half-way")

    monkeypatch.setattr(signals, "_requested", number)
    assert attempt(work) == expected


def test_nor_is_its_run_a_failed_one(tmp_path, monkeypatch):
    def interrupted(*_):
        monkeypatch.setattr(signals, "_requested", signal.SIGINT)
        raise ValueError("Can't close the ZIP file while there is an open writing handle on it.")

    planned = prepare(*MOONS, root=tmp_path)
    facts = gather_facts(planned)
    monkeypatch.setattr(run_state, "select_predictions", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(planned, facts, Plain())
    assert planned.must_run()
    assert not (planned.folder / "summary.json").exists()


def test_a_restart_under_slurm_is_in_the_log(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    planned = prepare(*MOONS, root=tmp_path)
    execute(planned, gather_facts(planned), Plain())
    assert "SLURM_RESTART_COUNT=3" in (planned.folder / "train.log").read_text()


ARRAY = {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"}
SLURM = {
    "a job": ({"SLURM_JOB_ID": "17"}, "requeue 17\n", "Job 17 is requeued."),
    "a task of an array": ({"SLURM_JOB_ID": "18", **ARRAY}, "requeue 17_3\n", "Job 17_3 is requeued."),
    "no id": ({"SLURM_JOB_ID": "17; rm -rf /"}, "", "which is none: not requeued"),
    "no SLURM": ({}, "", None),
}


@pytest.mark.parametrize("case", SLURM)
def test_slurm_requeues_once(case, tmp_path, monkeypatch):
    environment, called, message = SLURM[case]
    fake = tmp_path / "bin" / "scontrol"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(signals, "_requested", signal.SIGUSR1)
    assert (message or "") in (signals.requeue() or "")
    assert ((tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else "") == called


def test_what_the_user_stops_is_not_requeued(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(signals, "_requested", signal.SIGINT)
    assert signals.requeue() is None


def test_a_failing_scontrol_is_reported(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(signals, "_requested", signal.SIGTERM)
    assert "could not be requeued" in signals.requeue()
