"""R25: a DataLoader's worker that dies, raises or hangs makes its run a failed row that names it, and nothing is left of it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import active_children

import pytest
import torch

from dlexp.contract import Split
from dlexp.data import worker_loader
from dlexp.data.worker_loader import WORKER_TRIES, _next_batch
from tests import ROOT

LATE = r"DataLoader worker [01] has not returned batch \d within 1\.5 s\."
BATCH = torch.zeros(1), torch.zeros(1)
RUNS = 7  # of each kind
REASONS = {
    "killed": r"DataLoader worker killed: process \d+ by signal 9( and \d+ by signal 9)?\.",
    "raises": r"(?s)Caught OSError in DataLoader worker process [01]\..*the disk has gone",
    "hangs": LATE,
}


@pytest.mark.slow(seconds=180)
def test_a_worker_that_breaks_is_named_and_its_run_can_be_tried_again(tmp_path, record_property):
    command = [sys.executable, "-m", "tests.reliability.broken_workers", str(tmp_path), str(RUNS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes_of_faults = json.loads(done.stdout)
    wrong = [
        (fault, one)
        for fault, outcomes in outcomes_of_faults.items()
        for one in outcomes
        if one["status"] != "failed" or not re.search(REASONS[fault], one["reason"])
        or one["seconds"] > 20 or one["left"] or not one["same"]
    ]  # fmt: skip
    record_property("R25", [RUNS * len(REASONS), len(wrong)])
    assert wrong == []
    assert set(outcomes_of_faults) == set(REASONS)


class Late(Iterator):
    """What torch's iterator does: it gives a batch after so many askings."""

    def __init__(self, times):
        self.times = times

    def __next__(self):
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("DataLoader timed out after 10 seconds")
        return BATCH


def test_a_worker_that_was_stopped_is_asked_again_and_one_that_hangs_is_named():
    assert _next_batch(Late(WORKER_TRIES - 1), 5, 2) is BATCH
    with pytest.raises(RuntimeError, match=r"^DataLoader worker 1 has not returned batch 6 within 30 s\.$"):
        _next_batch(Late(WORKER_TRIES), 5, 2)


def test_a_dead_worker_is_found_where_its_batch_is_asked_for_and_nowhere_else(monkeypatch):
    monkeypatch.setattr(worker_loader, "WORKER_SECONDS", 0.2)
    options = {"num_workers": 2, "persistent_workers": True, "pin_memory": False, "non_blocking": False}
    split = Split(torch.arange(64.0), torch.arange(64))
    before = set(active_children())
    waiting = iter(worker_loader.make_worker_loader(split, torch.device("cpu"), **options)(list(torch.arange(64).split(2))))
    next(waiting)
    (one, other) = set(active_children()) - before
    for process in (one, other):
        process.kill()
        process.join()  # torch's own handler raises here
    with pytest.raises(RuntimeError, match=rf"^DataLoader worker killed: .*\b{one.pid} by signal 9"):
        list(waiting)
