"""A process that executes runs of a sweep, one after the other, as the command asks it to.

It is connected with the command by a pipe. If the command asks it to stop, or ends, it saves the state of its run and ends.
"""

import gc
import io
import math
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple

from dlexp.config.lab import Lab
from dlexp.config.options import use_lab
from dlexp.errors import ConfigError, DiskError
from dlexp.machine.process import NEW_OBJECTS, enabled
from dlexp.run import signals
from dlexp.run.bars import REFRESH_SECONDS
from dlexp.run.plan import PlannedRun
from dlexp.run.record.modules import sign_sources
from dlexp.run.side_by_side import Messages
from dlexp.study.row import complete

GPUS = "CUDA_VISIBLE_DEVICES"
STOP = None  # asks a worker to stop
SOURCES = sign_sources()  # of the modules that this process has loaded

EDITED = "Modules of dlexp were edited after the command had begun. The same command goes on with the new code."

Message = tuple[str, tuple[Any, ...]]  # the kind of a message of a worker, and what belongs to it
Send = Callable[[Message], None]


class Surroundings(NamedTuple):
    """What a worker takes over from the command.

    Args:
        environment: The environment variables.
        folder: The current folder.
        lab: The lab in use.
        sources: `SOURCES` of the command.
    """

    environment: Mapping[str, str]
    folder: str
    lab: Lab | None
    sources: int


def serve(connection: Connection, surroundings: Surroundings, gpu: str | None) -> None:
    """Execute the runs that the command sends, until it asks to stop or ends. Then this process ends.

    Args:
        connection: To the command.
        surroundings: Those of the command.
        gpu: The only GPU that this process may use, as `CUDA_VISIBLE_DEVICES` names it; None: all, or there is none.
    """
    code = 1
    try:
        tasks: SimpleQueue[PlannedRun] = SimpleQueue()
        send = _Sender(connection)
        _take_over(surroundings, gpu)
        signals.listen(is_worker=True)
        Thread(target=_receive, args=(connection, tasks), daemon=True).start()
        sys.stdout, sys.stderr = (_Lines(send, kind) for kind in ("say", "notice"))
        if surroundings.sources != SOURCES:  # it would execute other code than the command has written down
            send(("error", (ConfigError(EDITED),)))
        while True:
            send(_execute(tasks.get(), send))
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        code = signals.RESUMABLE
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)  # Python would first free all objects of torch, which takes a second


def _take_over(surroundings: Surroundings, gpu: str | None) -> None:
    os.environ.clear()
    os.environ.update(surroundings.environment)
    if gpu is not None:
        os.environ[GPUS] = gpu  # torch reads it at the first use of a GPU
    os.chdir(surroundings.folder)
    if "gc" in enabled():
        gc.set_threshold(NEW_OBJECTS)
    if surroundings.lab:
        use_lab(surroundings.lab)


def _receive(connection: Connection, tasks: SimpleQueue[PlannedRun]) -> None:
    """Pass on the runs that the command sends. A signal to this process stops its main thread, whatever it is doing."""
    is_stopping = False
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):  # the command has ended
            if is_stopping:
                os._exit(signals.RESUMABLE)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if task is not STOP:
            tasks.put(task)
        elif not is_stopping:
            is_stopping = True
            os.kill(os.getpid(), signal.SIGTERM)


def _execute(run: PlannedRun, send: Send) -> Message:
    """Execute a run.

    Returns:
        Its row, or the error that ends the sweep.

    Raises:
        KeyboardInterrupt: If this process is to stop. What was trained is saved.
    """
    try:
        return "row", (complete(run, Relay(run.title, send), due=True),)
    except Exception as error:
        if signals.requested() and not isinstance(error, DiskError):  # an interrupted library may raise an error of its own
            raise KeyboardInterrupt from error
        return "error", (_make_portable(error),)


def _make_portable(error: Exception) -> Exception:
    """The error with its traceback as a note; another one with its text if it cannot be sent to another process."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}", *error.__notes__)
    return error


class Relay(Messages):
    """A display that sends what it is to show to the command. A message begins with the title of the run.

    Args:
        title: The title of the run.
        send: Sends a message.
    """

    def __init__(self, title: str, send: Send) -> None:
        super().__init__(self._send_text, lambda table: send(("table", (table,))))
        self.title, self.send = title, send
        self.sent = dict.fromkeys(("refresh", "epoch"), -math.inf)  # when each was sent last

    def begin(self, title: str, num_steps: int, num_epochs: int) -> None:
        """Send the title and the planned length."""
        self.send(("begin", (title, num_steps, num_epochs)))

    def due(self) -> bool:
        """Whether progress was last sent more than half a second ago."""
        return self._is_due("refresh")

    def refresh(self, step: int) -> None:
        """Send the number of steps, at most twice a second."""
        if self._is_due("refresh"):
            self.sent["refresh"] = time.monotonic()
            self.send(("refresh", (step,)))

    def epoch(self, row: Mapping[str, float]) -> None:
        """Send the row, at most twice a second."""
        if self._is_due("epoch"):
            self.sent["epoch"] = time.monotonic()
            self.send(("epoch", (dict(row),)))

    def _is_due(self, kind: str) -> bool:
        return time.monotonic() - self.sent[kind] > REFRESH_SECONDS

    def _send_text(self, text: str) -> None:
        begin = f"{self.title}: "
        self.send(("say", (text if text.startswith(begin) else begin + text,)))


class _Sender:
    """Sends messages to the command, one at a time, whichever thread they come from."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, Lock()

    def __call__(self, message: Message) -> None:
        with self._lock:
            self._connection.send(message)


class _Lines(io.TextIOBase):
    """A stream that sends each line which is written to it to the command, so that it does not get into the bars there.

    Args:
        send: Sends a message.
        kind: The kind of its messages.
    """

    def __init__(self, send: Send, kind: str) -> None:
        self._send, self._kind, self._begun = send, kind, ""

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._send((self._kind, (line,)))
        return len(text)

    def writable(self) -> bool:
        """Always."""
        return True
