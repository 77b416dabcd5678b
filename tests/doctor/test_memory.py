import pytest

from dlexp.doctor.memory import build_section, judge
from dlexp.machine.memory import Memory


@pytest.mark.parametrize(
    ("num_workers", "shared", "fits"), [(0, 0, True), (2, 400, True), (2, 399, False), (2, None, True), (3, 400, False)]
)
def test_the_batches_of_the_loader_must_fit(num_workers, shared, fits):
    found = judge(Memory(1000, None, 1000, shared), num_workers=num_workers, batch_bytes=100)
    assert (found == []) == fits
    assert all(finding.level == "problem" for finding in found)


def test_the_limit_of_a_control_group_is_shown():
    section = build_section(Memory(2**30, 2**27, 2**26, None), num_workers=0, batch_bytes=0)
    assert section.lines[0][1] == "64 MiB free of 1 GiB; a control group grants 128 MiB"
