"""A signal ends a run after its step, with its state saved: 75, and the same command ends it as if there had been none."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlexp import stop
from tests.reliability.harness import content

TRAIN = Path(__file__).parents[2] / "train.py"
LONG = ("dataset=moons", "model=mlp", "dropout=0.2", "batch_size=4", "max_steps=3000", "hardware=cpu")


def start(folder, **environment):
    command = [sys.executable, str(TRAIN), *LONG]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(command, cwd=folder, env=surroundings, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def trains(folder):
    end = time.monotonic() + 120
    while not [path for path in folder.glob("outputs/adhoc/*/metrics.csv") if path.read_text().count("\n") > 2]:
        assert time.monotonic() < end
        time.sleep(0.02)


def left(folder):
    (found,) = (folder / "outputs/adhoc").glob("*-*")
    return {name: digest for name, digest in content(found).items() if not name.startswith("checkpoints/step")}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert start(folder).wait() == 0
    return left(folder)


@pytest.mark.parametrize("number", stop.SIGNALS)
def test_a_signal_saves_and_the_same_command_goes_on(number, tmp_path, uninterrupted):
    process = start(tmp_path)
    trains(tmp_path)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == stop.RESUMABLE
    assert "The same command goes on" in err
    assert list(tmp_path.glob("outputs/adhoc/*/checkpoints/step-*.pt"))
    again = start(tmp_path)
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert "Goes on from step-" in out
    assert "not exact" not in out
    assert left(tmp_path) == uninterrupted


def test_a_second_signal_ends_at_once(tmp_path):
    process = start(tmp_path)
    trains(tmp_path)
    process.send_signal(signal.SIGSTOP)  # so that both arrive before the next step can end
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == stop.RESUMABLE
    assert not list(tmp_path.glob("outputs/adhoc/*/summary.json"))


ARRAY = {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"}
SLURM = {
    "a job": ({"SLURM_JOB_ID": "17"}, "requeue 17\n", "Job 17 is requeued."),
    "a task of an array": ({"SLURM_JOB_ID": "18", **ARRAY}, "requeue 17_3\n", "Job 17_3 is requeued."),
    "no id": ({"SLURM_JOB_ID": "17; rm -rf /"}, "", "which is none: not requeued"),
    "no SLURM": ({}, "", None),
}


@pytest.mark.parametrize("case", SLURM)
def test_slurm_requeues_once(case, tmp_path, monkeypatch):
    environment, called, told = SLURM[case]
    fake = tmp_path / "bin" / "scontrol"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(stop, "_requested", signal.SIGUSR1)
    assert (told or "") in (stop.requeue() or "")
    assert ((tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else "") == called


def test_what_the_user_stops_is_not_requeued(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(stop, "_requested", signal.SIGINT)
    assert stop.requeue() is None


def test_a_scontrol_that_fails_is_told(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(stop, "_requested", signal.SIGTERM)
    assert "could not be requeued" in stop.requeue()
