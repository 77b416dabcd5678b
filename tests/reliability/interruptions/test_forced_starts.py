"""A start with force=true may be killed at any file operation: what is left is never taken for done, and can be finished."""

import json
import signal

import pytest

from dlexp.run.record.clear import FORCED
from dlexp.run.record.layout import list_missing
from tests.processes import Command
from tests.reliability.harness import left
from tests.runs import MOONS, only_last

SMALL = only_last((*MOONS, "probe=[grad_flow]", "checkpoint_every=0", "epochs=1", "batch_size=32"))


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow(seconds=200)), 80])
def test_a_forced_start_may_be_killed_at_any_operation(stride, in_memory):
    forced = Command("-m", "tests.reliability.forced", str(in_memory), str(stride), *SMALL)
    out, err = forced.communicate(timeout=1000)
    assert forced.returncode == 0, err + out
    cases = json.loads(out)
    assert len(cases) > 20
    assert set(cases.values()) == {-signal.SIGKILL}
    whole = left(in_memory / "whole")
    assert [case for case in cases if left(in_memory / case) != whole] == []
    folders = [next((in_memory / case / "adhoc").glob("*-*")) for case in cases]
    assert [folder for folder in folders if list_missing(folder)] == []
    # Killed after the summary was in place and before the marker was removed: its folder is brought to the disk meanwhile.
    assert len([folder for folder in folders if (folder / FORCED).exists()]) <= 3
