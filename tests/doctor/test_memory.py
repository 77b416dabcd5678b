import pytest

from dlexp.doctor import memory
from dlexp.doctor.memory import Memory, judge, look, section


@pytest.mark.parametrize(
    ("num_workers", "shared", "fits"), [(0, 0, True), (2, 400, True), (2, 399, False), (2, None, True), (3, 400, False)]
)
def test_what_the_loader_shares_must_fit(num_workers, shared, fits):
    found = judge(Memory(1000, None, 1000, shared), num_workers=num_workers, batch_bytes=100)
    assert (found == []) == fits
    assert all(finding.level == "problem" for finding in found)


def test_a_control_group_leaves_less_than_the_machine_has(monkeypatch):
    monkeypatch.setattr(memory, "memory_limit", lambda: (2**27, 2**26))
    found = look()
    assert (found.limit, found.available) == (2**27, 2**26)
    assert "a control group grants 128 MiB" in section(found, num_workers=0, batch_bytes=0).lines[0][1]


def test_this_machine():
    found = look()
    assert 0 < found.available <= found.physical
