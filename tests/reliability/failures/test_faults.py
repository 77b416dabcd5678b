"""R04: a file operation that fails, or is cut off, loses nothing: the same command goes on and ends as if it had not."""

import json

import pytest

from tests.processes import Command
from tests.reliability.harness import content
from tests.runs import MOONS, only_last

SMALL = only_last((*MOONS, "dropout=0.3", "probe=[grad_flow]", "checkpoint_every=0", "epochs=1", "batch_size=32"))


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow(seconds=360)), 29])
def test_any_operation_may_fail(stride, in_memory, record_property):
    faults = Command("-m", "tests.reliability.faults", str(in_memory), str(stride), *SMALL)
    out, err = faults.communicate(timeout=1000)
    assert faults.returncode == 0, err + out
    cases = json.loads(out)
    whole = folder(in_memory / "whole")
    assert len(cases) > 20
    allowed = {"ENOSPC": {"disk", "done"}, "EIO": {"disk", "done"}}  # done: what failed was no loss
    wrong = [f"{case}: {ended}" for case, ended in cases.items() if ended not in allowed.get(case.split("-")[0], {"killed"})]
    wrong += [case for case in cases if folder(in_memory / case) != whole]
    record_property("R04", [len(cases), len(wrong)])
    assert wrong == []
    assert not list(in_memory.rglob("*.tmp"))


def folder(root):
    (found,) = (root / "adhoc").glob("*/summary.json")
    return content(found.parent)
