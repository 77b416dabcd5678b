"""Options of the test suite: the number of processes, the slow tests, a timed sample of them, and the installed wheel.

And a folder in memory.
"""

import gc
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import pytest

PROCESSES = 3  # on two cores: some tests wait for other processes
NO_TIME = "--slow-sample: too few of its seconds are left"
WHEEL = "DLEXP_WHEEL_COMMAND"  # the path of the `dlexp` that .ci/install_wheel has installed
START = pytest.StashKey[float]()


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption(
        "--slow-sample", type=float, metavar="SECONDS", help="run slow tests alone, in a random order, for at most this long"
    )
    parser.addoption("--slow-seed", default="", metavar="TEXT", help="seed of that order, for example a commit's hash")


def pytest_configure(config):
    os.environ.pop("DLEXP_LAB", None)  # a lab of the developer's own would be used in every test
    config.stash[START] = time.monotonic()


def pytest_xdist_auto_num_workers(config):
    """The meaning of `-n auto`: no worker where all tests are in one file, so that they start at once and `print` is shown."""
    one_file = len(config.args) == 1 and Path(config.args[0].partition("::")[0]).is_file()
    return 0 if one_file else PROCESSES


def pytest_collection_modifyitems(config, items):
    sample = config.getoption("--slow-sample")
    if sample is not None:
        config.hook.pytest_deselected(items=[item for item in items if "slow" not in item.keywords])
        items[:] = [item for item in items if "slow" in item.keywords]
        random.Random(config.getoption("--slow-seed")).shuffle(items)  # equally in every worker, as xdist demands
    for item in items:
        if "slow" in item.keywords and sample is None and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
        if "wheel" in item.keywords and not os.environ.get(WHEEL):
            item.add_marker(pytest.mark.skip(reason=f"no wheel is installed: {WHEEL} is not set (see .ci/run)"))
        if "gpu" in item.keywords and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def pytest_collection_finish():
    gc.freeze()  # the modules stay to the end: a collection need not look through their million objects


def pytest_sessionfinish():
    gc.unfreeze()  # so that they are freed as usual


def _has_gpu():
    import torch  # takes seconds, and the process that only distributes tests does not need it

    return torch.cuda.is_available()


def pytest_runtest_setup(item):
    sample, marker = item.config.getoption("--slow-sample"), item.get_closest_marker("slow")
    if sample is not None and marker is not None:
        seconds = next(iter([*marker.args, *marker.kwargs.values()]), 0)
        end = time.monotonic() - item.config.stash[START] + seconds
        if end > sample:
            pytest.skip(NO_TIME)


def pytest_terminal_summary(terminalreporter, config):
    if (sample := config.getoption("--slow-sample")) is not None:
        skipped = terminalreporter.stats.get("skipped", [])
        not_started = sum(NO_TIME in str(report.longrepr) for report in skipped)
        ran = sum(len(terminalreporter.stats.get(outcome, [])) for outcome in ("passed", "failed"))
        seed = config.getoption("--slow-seed")
        terminalreporter.line(f"{ran} slow tests ran in {sample:g} s, {not_started} were not started (--slow-seed={seed})")


@pytest.fixture(scope="session")
def wheel_command():
    """The path of the command `dlexp` of an installed wheel. A test that uses it has the marker `wheel`."""
    return Path(os.environ[WHEEL])


@pytest.fixture(autouse=True)
def _one_thread():
    """The machine that tests run on has few cores, and none to share."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _signals():
    """A command that a test calls in this process listens for signals, and ends the process after one: not beyond that test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


@pytest.fixture
def in_memory(tmp_path):
    """A folder in /dev/shm, if that exists, so that hundreds of starts that save at every step need not wait for a disk."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="dlexp-") as folder:
        yield Path(folder)
