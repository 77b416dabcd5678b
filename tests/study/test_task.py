"""Tasks of a cluster, with commands of a shell in place of dlexp."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlexp.study import task
from dlexp.study.task import InterruptedRunError, SubmititTask, run_in_ray, start, stop, wait_for
from tests.parallel_sweeps import wait_until

SAVES = "trap 'echo saved >> log; exit 75' TERM; echo begun > log; while :; do sleep 0.05; done"


def shell(text):
    return ["sh", "-c", text]


def begun(folder):
    wait_until((folder / "log").exists, 20)


def test_the_exit_code_of_a_command_is_given(tmp_path):
    assert wait_for(start(shell("exit 3"), str(tmp_path))) == 3


def test_a_command_is_asked_to_stop_and_waited_for(tmp_path):
    process = start(shell(SAVES), str(tmp_path))
    begun(tmp_path)
    assert stop(process) == 75
    assert (tmp_path / "log").read_text() == "begun\nsaved\n"
    assert stop(process) == 75  # as when a signal comes while it ends


def test_a_command_neither_requeues_its_job_nor_dies_of_the_signal_that_is_for_submitit(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    process = start(shell("kill -USR2 $$; echo ${SLURM_JOB_ID-none} $SLURM_RESTART_COUNT > log"), str(tmp_path))
    assert wait_for(process) == 0
    assert (tmp_path / "log").read_text() == "none 2\n"


def test_a_command_saves_its_state_when_its_task_is_killed(tmp_path):
    program = f"from dlexp.study.task import start, wait_for; wait_for(start({shell(SAVES)!r}, {str(tmp_path)!r}))"
    root = str(Path(task.__file__).parents[2])
    parent = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": root})
    begun(tmp_path)
    parent.kill()
    parent.wait()
    wait_until(lambda: (tmp_path / "log").read_text() == "begun\nsaved\n", 20)


def test_a_task_of_ray_writes_a_log_and_is_started_again_if_it_was_interrupted(tmp_path):
    assert run_in_ray(shell("echo $PWD; exit 1"), str(tmp_path), "logs/0.log") == 1
    assert (tmp_path / "logs" / "0.log").read_text() == f"{tmp_path}\n"
    with pytest.raises(InterruptedRunError):
        run_in_ray(shell("exit 75"), str(tmp_path), "logs/0.log")


def test_a_task_of_ray_that_is_cancelled_saves_its_state(tmp_path, monkeypatch):
    def cancel(seconds):
        begun(tmp_path)
        raise KeyboardInterrupt

    sleep = time.sleep
    monkeypatch.setattr(task.time, "sleep", lambda seconds: monkeypatch.setattr(task.time, "sleep", sleep) or cancel(seconds))
    with pytest.raises(KeyboardInterrupt):
        run_in_ray(shell(SAVES), str(tmp_path), "0.log")
    assert (tmp_path / "log").read_text() == "begun\nsaved\n"


@pytest.fixture
def signals():
    """Handlers as submitit sets them, of which that of SIGUSR2 notes that the task is put back into the queue."""
    pytest.importorskip("submitit")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    caught = []
    signal.signal(signal.SIGUSR2, lambda number, frame: caught.append(number))
    yield caught
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("by_slurm", [False, True])
def test_a_task_of_submitit_is_requeued_if_its_command_was_interrupted(by_slurm, signals, tmp_path, monkeypatch):
    if by_slurm:  # which sends the signal to the task, too
        monkeypatch.setenv("SLURM_JOB_ID", "12")
    told = "kill -TERM $PPID; sleep 0.1; " if by_slurm else ""
    with pytest.raises(RuntimeError, match="The command ended with exit code 75"):
        SubmititTask(shell(f"{told}exit 75"), str(tmp_path))()
    assert signals == ([] if by_slurm else [signal.SIGUSR2])


def test_a_task_of_submitit_saves_its_state_before_it_is_requeued(signals, tmp_path):
    submitted = SubmititTask(shell(SAVES), str(tmp_path))
    submitted.process = start(submitted.command, submitted.folder)
    begun(tmp_path)
    again = submitted.checkpoint()
    assert (tmp_path / "log").read_text() == "begun\nsaved\n"
    assert (again.function.command, again.function.folder) == (submitted.command, submitted.folder)


def test_a_task_of_submitit_without_a_cluster_passes_on_that_it_is_to_end(signals, tmp_path):
    with pytest.raises(RuntimeError, match="75"):
        SubmititTask(shell(f"(sleep 0.3; kill -TERM $PPID) & {SAVES}"), str(tmp_path))()
    assert (tmp_path / "log").read_text() == "begun\nsaved\n"
    assert signals == []


def test_a_task_of_submitit_that_ends_well_returns(signals, tmp_path):
    assert SubmititTask(shell("exit 0"), str(tmp_path))() is None
