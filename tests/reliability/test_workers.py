"""R25: a DataLoader's worker that dies, raises or hangs makes its run a failed row that names it, and nothing is left of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LATE = r"DataLoader worker [01] has not given batch \d within 1\.5 s\."
REASONS = {
    "killed": r"DataLoader worker \(pid(\(s\))? \d+\) (is killed by signal: Killed|exited unexpectedly)",
    "raises": r"(?s)Caught OSError in DataLoader worker process [01]\..*the disk has gone",
    "hangs": LATE,
    "stopped": LATE,
}


@pytest.mark.parametrize("count", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_a_worker_that_breaks_is_named_and_its_run_can_be_tried_again(count, tmp_path, record_property):
    command = [sys.executable, "-m", "tests.reliability.loaders", str(tmp_path), str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    wrong = [
        (fault, one)
        for fault, outcomes in told.items()
        for one in outcomes
        if one["status"] != "failed" or not re.search(REASONS[fault], one["reason"])
        or one["seconds"] > 20 or one["left"] or not one["same"]
    ]  # fmt: skip
    record_property("R25", [count * len(REASONS), len(wrong)])
    assert wrong == []
    assert set(told) == set(REASONS)


def test_a_worker_has_less_than_thirty_seconds_in_all():
    from dlexp.batches import WORKER_SECONDS, WORKER_TRIES

    assert WORKER_SECONDS * WORKER_TRIES <= 30
