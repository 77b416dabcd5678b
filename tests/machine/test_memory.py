import resource

import pytest
import torch

from dlexp.machine import memory


@pytest.fixture
def _limited(monkeypatch):
    """2 GiB in the machine, 128 MiB granted by a control group, of which 64 are in use."""
    monkeypatch.setattr(memory, "_available", lambda: 2**31)
    monkeypatch.setattr(memory, "memory_limit", lambda: (2**27, 2**26))


@pytest.mark.usefixtures("_limited")
def test_a_control_group_leaves_less_than_the_machine_has():
    found = memory.read_memory()
    assert (found.limit, found.available) == (2**27, 2**26)


@pytest.mark.usefixtures("_limited")
@pytest.mark.parametrize(("left", "expected"), [(2**25, 2**25), (2**30, 2**26), (-(2**20), 0)])
def test_a_limit_of_addresses_leaves_what_is_not_taken(left, expected, monkeypatch):
    pages = int(memory.Path("/proc/self/statm").read_text().split()[0])
    granted = pages * resource.getpagesize() + left
    monkeypatch.setattr(resource, "getrlimit", lambda _: (granted, granted))
    assert memory.free_memory(torch.device("cpu")) == pytest.approx(expected, abs=2**20)  # it may grow


def test_what_torch_keeps_on_a_gpu_is_free(monkeypatch):
    for name, answer in {"mem_get_info": (1000, 9000), "memory_reserved": 500, "memory_allocated": 200}.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, answer=answer: answer)
    assert memory.free_memory(torch.device("cuda")) == 1300


def test_this_machine():
    found = memory.read_memory()
    assert 0 < found.available <= found.physical


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory: 8 bytes"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error, expected):
    assert memory.is_out_of_memory(error) == expected
