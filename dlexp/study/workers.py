"""Execute several runs of a sweep at the same time, each in a process of its own that takes the next run when one has ended."""

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic
from types import TracebackType
from typing import Any

from dlexp.config.options import current_lab
from dlexp.machine.notices import notify_once
from dlexp.run import signals
from dlexp.run.display import Display
from dlexp.run.plan import PlannedRun
from dlexp.run.record import folder
from dlexp.study.forks import start_safely
from dlexp.study.row import Row, describe, fail
from dlexp.study.worker import SOURCES, STOP, Message, Surroundings, serve

MAX_ENDS = 3  # of workers by one run
POLL_SECONDS = 0.2  # between two looks whether a signal has asked to stop
SPARE_SECONDS = 5.0  # for a worker to end, beside the seconds in which it saves its state


def complete_at_once(
    runs: Sequence[PlannedRun], gpus: Sequence[str | None], display: Display
) -> Iterator[tuple[PlannedRun, Row]]:
    """Execute runs in several processes, and yield each with its row when it has ended.

    A worker that is killed costs its run a start from the newest saved state. A run that ends `MAX_ENDS` workers has failed.
    If a signal asks to stop, or when the caller ends, all workers save the states of their runs and end.

    Args:
        runs: The runs, in the order in which they start.
        gpus: For each worker, the GPU that it may use; None: all, or there is none.
        display: Shows all runs.

    Raises:
        KeyboardInterrupt: If a signal has asked to stop, after all workers have ended.
        ConfigError, DatasetError, DiskError: As a run in this process would.
    """
    with signals.deferred(), _Workers(runs, gpus, display) as workers:
        yield from workers.complete()


class _Worker:
    """A process that executes runs, or the place for one.

    Args:
        gpu: The GPU that it may use; None: all, or there is none.
        display: Shows its run.
    """

    def __init__(self, gpu: str | None, display: Display) -> None:
        self.gpu, self.display = gpu, display
        self.process: BaseProcess | None = None
        self.connection: Connection[Any, Any]
        self.run: PlannedRun | None = None  # the run that it executes
        self.begun = ""  # when it was given that run

    def start(self, surroundings: Surroundings) -> None:
        """Start the process."""
        # A fork cannot use CUDA if the process that it was forked from has used it.
        is_forked = self.gpu is None
        context: Any = multiprocessing.get_context("forkserver" if is_forked else "spawn")
        self.connection, other_end = context.Pipe()
        self.process = context.Process(target=serve, args=(other_end, surroundings, self.gpu))
        start_safely(self.process, is_forked=is_forked)
        other_end.close()

    def is_ready(self) -> bool:
        """Whether there is a process that waits for a run."""
        return self.process is not None and self.run is None and self.process.is_alive()

    def give(self, run: PlannedRun) -> None:
        """Give it a run."""
        self.run, self.begun = run, folder.now()
        self.send(run)

    def send(self, task: PlannedRun | None) -> None:
        """Send a run, or `STOP`; to a process that has ended, nothing."""
        with suppress(OSError):
            self.connection.send(task)

    def has_news(self) -> bool:
        """Whether `receive` returns at once."""
        return self.process is not None and (self.connection.poll() or not self.process.is_alive())

    def receive(self) -> Message | None:
        """Its next message; None if it has ended."""
        try:
            return self.connection.recv() if self.connection.poll() else None
        except (EOFError, OSError):
            return None

    def end(self) -> int | None:
        """Kill the process if it has not ended; returns its exit code."""
        if self.process is None:
            return None
        self.process.kill()
        self.process.join()
        self.connection.close()
        code, self.process = self.process.exitcode, None
        return code


class _Workers:
    """The workers of a sweep."""

    def __init__(self, runs: Sequence[PlannedRun], gpus: Sequence[str | None], display: Display) -> None:
        self.waiting, self.titles = deque(runs), _shorten_titles(runs)
        self.workers = [_Worker(gpu, shown) for gpu, shown in zip(gpus, display.split(len(gpus)), strict=True)]
        self.surroundings = Surroundings(dict(os.environ), os.getcwd(), current_lab(), SOURCES)
        self.num_ends: Counter[str] = Counter()  # id → workers that ended while they executed the run
        self.is_stopping = False
        self.error: Exception | None = None

    def complete(self) -> Iterator[tuple[PlannedRun, Row]]:
        """Yield each run with its row."""
        while True:
            if signals.requested():
                self.stop()
            self._give_runs()
            busy = [worker for worker in self.workers if worker.run]
            if not busy:
                break
            _wait_for(busy)
            for worker in busy:
                while worker.run and worker.has_news():
                    yield from self._take(worker, worker.run, worker.receive())
        if self.error:
            raise self.error
        if signals.requested():
            raise KeyboardInterrupt

    def stop(self) -> None:
        """Let every worker save the state of its run and end."""
        if not self.is_stopping:
            self.is_stopping = True
            self.waiting.clear()
            for worker in self.workers:
                if worker.process:
                    worker.send(STOP)

    def _give_runs(self) -> None:
        for worker in self.workers:
            if self.waiting and worker.run is None:
                if not worker.is_ready():
                    worker.end()
                    worker.start(self.surroundings)
                worker.give(self.waiting.popleft())

    def _take(self, worker: _Worker, run: PlannedRun, message: Message | None) -> Iterator[tuple[PlannedRun, Row]]:
        """Do what a message of a worker says."""
        kind, content = message or ("ended", ())
        if kind in ("ended", "row", "error"):
            worker.run = None
        if kind == "ended":
            yield from self._start_again(worker, run, worker.end())
        elif kind == "row":
            if content[0]["outcome"] not in ("held", "skipped"):
                worker.display.end()
            yield run, content[0]
        elif kind == "error":
            self.error = self.error or content[0]
            self.stop()
        elif kind == "notice":
            notify_once(content[0])
        elif kind == "begin":
            worker.display.begin(self.titles[run.identity], *content[1:])
        else:
            getattr(worker.display, kind)(*content)

    def _start_again(self, worker: _Worker, run: PlannedRun, code: int | None) -> Iterator[tuple[PlannedRun, Row]]:
        """Let another worker execute the run of one that has ended; or yield its row, if that would not help."""
        if self.is_stopping:
            return
        summary = run.read_summary()
        if summary and summary.get("started", "") >= worker.begun:  # it has ended before its worker did
            yield run, describe(run, worker.display, summary, is_fresh=True)
            return
        self.num_ends[run.identity] += 1
        how = _describe_end(code)
        if self.num_ends[run.identity] < MAX_ENDS:
            worker.display.say(f"{run.title}: its process was ended by {how}; another one goes on from the last saved state.")
            self.waiting.appendleft(run)
        else:
            worker.display.end()
            yield run, fail(run, worker.display, f"Its process was ended {MAX_ENDS} times, the last time by {how}.")

    def __enter__(self) -> "_Workers":
        """Start no process yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop all workers, and wait until they have saved the states of their runs."""
        last = monotonic() + signals.GRACE + SPARE_SECONDS
        try:
            self.stop()
            while (living := [one for one in self.workers if one.process and one.process.is_alive()]) and monotonic() < last:
                _wait_for(living)
                for worker in living:
                    worker.receive()  # one that waits until its message is read cannot end
        finally:
            for worker in self.workers:
                worker.end()


def _shorten_titles(runs: Sequence[PlannedRun]) -> dict[str, str]:
    """Id → what names a run among the others."""
    common = set[str].intersection(*(set(run.label) for run in runs)) if len(runs) > 1 else set()
    return {run.identity: " ".join(text for text in run.label if text not in common) or run.title for run in runs}


def _wait_for(workers: Sequence[_Worker]) -> None:
    """Wait until a worker has sent something or ended, for a moment at most."""
    wait([end for one in workers if one.process for end in (one.connection, one.process.sentinel)], POLL_SECONDS)


def _describe_end(code: int | None) -> str:
    """Words for the exit code of a process."""
    if code == signals.RESUMABLE:
        return "a signal"
    if code is None or code >= 0:
        return f"itself with exit code {code}"
    name = signal.Signals(-code).name
    return f"{name} (by hand, or by the system because memory ran out)" if -code == signal.SIGKILL else name
