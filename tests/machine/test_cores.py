import os

import pytest

from dlexp.machine import cores


@pytest.mark.parametrize(("allowed", "limit", "expected"), [({0, 1, 5}, None, 3), ({0, 1, 5}, 1.5, 1.5), ({2}, 8.0, 1)])
def test_the_cores_of_this_process_within_its_limit(allowed, limit, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed)
    monkeypatch.setattr(cores, "cpu_limit", lambda: limit)
    assert cores.count_cores() == expected
