"""What a task of a cluster does: it executes a command in a process of its own, and lets it save its state in time.

The engines load this module on the machines of the cluster, so it imports neither torch nor other modules of dlexp.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

RESUMABLE = 75  # exit code of a command that a signal ended after it had saved its state
POLL_SECONDS = 0.2  # between two looks whether the command has ended
JOB = "SLURM_JOB_ID"  # with it a command would put its job back into the queue, which is for the engine to do
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class InterruptedRunError(RuntimeError):
    """A command was interrupted, and has saved its state."""


def start(command: Sequence[str], folder: str, log: IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
    """Start a command. It is asked to stop if this process dies.

    Args:
        command: Its words.
        folder: The folder in which it runs.
        log: Gets what it prints; None: where this process prints.
    """
    environment = {name: value for name, value in os.environ.items() if name != JOB}
    library = ctypes.CDLL(None)

    def prepare() -> None:
        """In the new process, before it becomes the command."""
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # SLURM sends it to every process of a task, and it would end this one
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # Ray's processes block SIGINT
        library.prctl(_DIES_WITH_PARENT, signal.SIGTERM)

    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=prepare
    )


def wait_for(process: "subprocess.Popen[bytes]") -> int:
    """Wait until a command has ended; returns its exit code.

    The handler of a signal may call this while it is called already, for which `Popen.wait` is not made.
    """
    with suppress(ChildProcessError):  # it was waited for before
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            time.sleep(POLL_SECONDS)
    return process.wait()


def stop(process: "subprocess.Popen[bytes]") -> int:
    """Let a command save the states of its runs and end; returns its exit code."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    return wait_for(process)


class SubmititTask:
    """A task of submitit.

    When submitit's signal comes before the time limit, `checkpoint` ends the command, and the task is put back into the queue.

    Args:
        command: The words of the command.
        folder: The folder in which it runs.
    """

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self.command, self.folder = list(command), folder
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ended = False  # by SLURM or by hand, which is no reason to put it back into the queue

    def __call__(self) -> None:
        """Execute the command.

        Raises:
            RuntimeError: If it does not end well, so that the job counts as failed.
        """
        from submitit.core.job_environment import JobEnvironment

        signal.signal(signal.SIGTERM, self._end)
        self.process = start(self.command, self.folder)
        code = wait_for(self.process)
        if code == RESUMABLE and not self.is_ended:
            signal.raise_signal(signal.Signals[f"SIG{JobEnvironment.USR_SIG}"])  # submitit's handler requeues the task
        if code:
            raise RuntimeError(f"The command ended with exit code {code}.")

    def checkpoint(self) -> Any:
        """Let the command save its state and end; returns what submitit executes when the task starts again."""
        from submitit.helpers import DelayedSubmission

        if self.process:
            stop(self.process)
        return DelayedSubmission(SubmititTask(self.command, self.folder))

    def _end(self, number: int, _: FrameType | None) -> None:
        self.is_ended = True
        if (
            self.process and JOB not in os.environ
        ):  # SLURM sends it to the command, too, and a second one would end that at once
            stop(self.process)


def run_in_ray(command: Sequence[str], folder: str, log: str) -> int:
    """A task of Ray: execute a command, and write what it prints to a file; returns its exit code.

    Raises:
        InterruptedRunError: If it was interrupted, so that Ray starts it again.
    """
    path = Path(folder, log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        process = start(command, folder, file)
        try:
            code = wait_for(process)
        except BaseException:  # Ray cancels the task
            stop(process)
            raise
    if code == RESUMABLE:
        raise InterruptedRunError("The command was interrupted, and has saved its state.")
    return code
