"""The options that tests/conftest.py adds to pytest."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tests.conftest

SLOW = "import time, pytest\ndef test_fast(): assert False\n" + "".join(
    f"@pytest.mark.slow\ndef test_{number}(): time.sleep({{seconds}})\n" for number in range(6)
)


@pytest.fixture
def pytest_in(tmp_path):
    """A function that runs pytest on six slow tests and a fast one that fails; it returns what pytest prints."""
    shutil.copy(tests.conftest.__file__, tmp_path)

    def run(*options, seconds=0.0):
        (tmp_path / "test_made.py").write_text(SLOW.format(seconds=seconds))
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist.plugin", "-n0", *options]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout

    return run


def test_a_sample_runs_slow_tests_alone_and_starts_none_after_its_seconds(pytest_in):
    printed = pytest_in("--slow-sample=2", "--slow-seed=abc", seconds=1)
    counts = re.search(r"(\d) slow tests ran in 2 s, (\d) were not started \(--slow-seed=abc\)", printed)
    started, not_started = map(int, counts.groups())
    assert started + not_started == 6
    assert 1 <= started <= 3
    assert f"{started} passed, {not_started} skipped, 1 deselected" in printed


def test_the_seed_alone_says_in_which_order_a_sample_runs(pytest_in):
    first, again, other = (
        re.findall(r"test_\d", pytest_in("-q", "--collect-only", "--slow-sample=5", f"--slow-seed={seed}"))
        for seed in ("a", "a", "b")
    )
    assert first == again != other
    assert sorted(first) == sorted(other) == [f"test_{number}" for number in range(6)]


@pytest.mark.parametrize("arguments", [[], ["tests"], ["a.py", "b.py"]])
def test_several_files_are_shared_between_processes(arguments):
    assert _num_workers(arguments) == tests.conftest.PROCESSES


@pytest.mark.parametrize("test", ["", "::test_x", "::test_x[a::b]"])
def test_one_file_starts_no_process(test):
    assert _num_workers([f"{Path(__file__)}{test}"]) == 0


def _num_workers(arguments):
    return tests.conftest.pytest_xdist_auto_num_workers(type("Config", (), {"args": arguments}))
