"""Execute tasks with Ray, on this machine or on a cluster. Ray's tasks end with the command, so it waits for them."""

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator

from dlexp.config.launcher import Launcher
from dlexp.config.options import PACKAGE
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.study.launch import Tasks
from dlexp.study.task import InterruptedRunError, run_in_ray

LOG = f"{os.getpid()}_{{number}}.log"  # name of the log of a task
STOP_SECONDS = 20.0  # for the tasks to save their states when the command is interrupted
CONNECT_SECONDS = 10.0  # for a cluster to answer
STORE_BYTES = 100 * 2**20  # of shared memory for objects, of which these tasks have none; Ray's least is 75 MiB


def execute(launcher: Launcher, tasks: Tasks, say: Callable[[str], None]) -> int:
    """Execute tasks within `connected`, and wait until they have ended. One that is killed or interrupted is started again.

    Args:
        launcher: The settings.
        tasks: The tasks.
        say: Prints a line.

    Returns:
        The exit code: the largest of the tasks.

    Raises:
        KeyboardInterrupt: If a signal has asked to stop, after the tasks have saved the states of their runs.
    """
    import ray

    settings = launcher.settings
    options = {"num_cpus": settings["cpus"], "num_gpus": settings["gpus"], "max_retries": settings["restarts"]}
    function = ray.remote(**options, retry_exceptions=[InterruptedRunError])(run_in_ray)
    names = [LOG.format(number=number) for number in range(tasks.number)]
    logs = {function.remote(tasks.command, tasks.folder, str(tasks.logs / name)): name for name in names}
    worst, left = 0, list(logs)
    try:
        while left:
            ended, left = ray.wait(left)
            code = _read_code(ended[0])
            worst = max(worst, code)
            if code:
                say(f"A task has ended with exit code {code}: {logs[ended[0]]} says why.")
    except BaseException:
        for task in left:
            ray.cancel(task)
        ray.wait(left, num_returns=len(left), timeout=STOP_SECONDS)
        raise
    return worst


def _read_code(task: object) -> int:
    """The exit code of a task that has ended; 1 if Ray has given it up."""
    import ray

    try:
        return int(ray.get(task))
    except ray.exceptions.RayError:
        return 1


@contextlib.contextmanager
def connected(launcher: Launcher) -> Iterator[None]:
    """Within this context this process is connected to Ray, and a signal ends it as any command of dlexp.

    Raises:
        ConfigError: If there is no cluster at the address, or if this machine lacks what a task needs.
    """
    import ray

    address = launcher.settings["address"]
    here = {"include_dashboard": False, "object_store_memory": STORE_BYTES}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _check_address(address)
        with contextlib.chdir(PACKAGE.parent):  # from which Ray's workers import
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else here))
    except (OSError, ValueError, RuntimeError) as error:
        place = f"launcher.address={make_printable(address)}" if address else launcher.choice
        raise ConfigError(f"{place}: Ray cannot be reached: {make_printable(str(error))}") from error
    signal.signal(signal.SIGTERM, handler)  # Ray has its own
    try:
        _check_resources(launcher)
        yield
    finally:
        ray.shutdown()


def _check_address(address: str | None) -> None:
    """Check that something answers at an address, for which Ray would wait many minutes.

    Raises:
        ValueError: If it is none.
        OSError: If nothing answers.
    """
    if address in (None, "auto"):
        return
    host, _, port = str(address).removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("an address is host:port, ray://host:port or auto.")
    socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def _check_resources(launcher: Launcher) -> None:
    """Check that this machine has what a task needs; a cluster may grow."""
    import ray

    if launcher.settings["address"]:
        return
    has = ray.cluster_resources()
    for key, name in (("cpus", "CPU"), ("gpus", "GPU")):
        if (needed := launcher.settings[key]) > (there := has.get(name, 0)):
            raise ConfigError(f"launcher.{key}={needed}: must be at most {there:g}, which is what Ray finds on this machine.")
