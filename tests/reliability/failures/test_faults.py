"""R04: a file operation that fails, or is cut off, loses nothing: the same command goes on and ends as if it had not."""

import json

import pytest

from tests.processes import Command
from tests.reliability.faults import MOVES, REFUSALS
from tests.reliability.leftovers import contents
from tests.runs import MOONS, only_last

SMALL = only_last((*MOONS, "dropout=0.3", "probe=[grad_flow]", "checkpoint_every=0", "epochs=1", "batch_size=32"))
STUDY = tuple(text for text in SMALL if not text.startswith("probe="))
KILLED = -9


def inject(work, root, part, modes, overrides):
    stride, offset = part
    faults = Command("-m", "tests.reliability.faults", work, str(root), str(stride), str(offset), ",".join(modes), *overrides)
    out, err = faults.communicate(timeout=3000)
    assert faults.returncode == 0, err + out
    assert "Traceback" not in err, err
    assert not list(root.rglob("*.tmp"))
    return json.loads(out)


def sampled(stride, seconds, parts):
    """Every `stride`-th operation; or all, in so many tests that take `seconds` each."""
    slow = [pytest.param((parts, offset), marks=pytest.mark.slow(seconds=seconds)) for offset in range(parts)]
    return pytest.mark.parametrize("part", [*slow, (stride, 0)], ids=lambda part: f"{part[1] + 1} of {part[0]}")


@sampled(113, 300, parts=3)
def test_any_operation_of_a_run_may_fail(part, in_memory, record_property):
    cases = inject("run", in_memory, part, [*REFUSALS, "kill", "torn"], SMALL)
    allowed = dict.fromkeys(REFUSALS, (0, 1, 5))  # 0: what failed was no loss
    wrong = [
        f"{case}: {end}" for case, end in cases.items() if end[0] not in allowed.get(case.split("-")[0], (KILLED,)) or end[1]
    ]
    whole = contents(in_memory / "whole")
    wrong += [case for case in cases if contents(in_memory / case) != whole]
    record_property("R04", [len(cases), len(wrong)])
    assert wrong == []
    assert len(cases) > 8


@pytest.mark.parametrize("work", ["sweep", "study"])
@sampled(191, 300, parts=6)
def test_any_operation_of_several_runs_and_their_report_may_fail(part, work, in_memory, record_property):
    cases = inject(work, in_memory, part, REFUSALS, STUDY if work == "study" else SMALL)
    wrong = [f"{case}: {end}" for case, end in cases.items() if end[0] not in (0, 1, 5) or end[1]]
    wrong += [case for case in cases if contents(in_memory / case, "*") != contents(in_memory / "whole", "*")]
    record_property("R04", [len(cases), len(wrong)])
    assert wrong == []


@pytest.mark.parametrize("work", ["run", "sweep"])
@sampled(331, 300, parts=12)
def test_a_folder_may_be_moved_at_any_operation(part, work, in_memory, record_property):
    """Nothing ends as done that is not whole, and nothing goes into another's folder; the next start is as undisturbed."""
    cases = inject(work, in_memory, part, list(MOVES), SMALL)
    codes = (0, 5) if work == "run" else (0, 1, 5)
    wrong = [f"{case}: {end}" for case, end in cases.items() if end[0] not in codes or end[1]]
    wrong += [case for case in cases if contents(in_memory / case) != contents(in_memory / "whole")]
    record_property("R04", [len(cases), len(wrong)])
    assert wrong == []
