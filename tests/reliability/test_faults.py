"""A file operation that fails, or is cut off, loses nothing: the same command goes on and ends as if there had been none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.harness import content
from tests.runs import MOONS, only_last

ROOT = Path(__file__).parents[2]
SMALL = only_last((*MOONS, "dropout=0.3", "probe=[grad_flow]", "checkpoint_every=0", "epochs=1", "batch_size=32"))


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 9])
def test_any_operation_may_fail(stride, tmp_path):
    command = [sys.executable, "-m", "tests.reliability.faults", str(tmp_path), str(stride), *SMALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    cases = json.loads(done.stdout)
    whole = folder(tmp_path / "whole")
    assert len(cases) > 20
    for case, ended in cases.items():
        assert ended in ({"disk", "done"} if case.startswith("E") else {"killed"}), case  # done: what failed was no loss
        assert folder(tmp_path / case) == whole, case
    assert not list(tmp_path.rglob("*.tmp"))


def folder(root):
    (found,) = (root / "adhoc").glob("*/summary.json")
    return content(found.parent)
