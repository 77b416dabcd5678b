import os

import pytest
import torch

from dlexp.doctor.cpu import Cpu, build_section, judge, rate_bf16, read_cpu


def make_cpu(**changes):
    given = {"name": "a CPU", "cores": 8, "usable": 4, "limit": None, "threads": 4, "flags": [], "load": 0.5, "compiler": None}
    return Cpu(**given | changes)


def texts(cpu, *, num_threads=1, format="fp32"):
    return " ".join(finding.text for finding in judge(cpu, num_threads=num_threads, format=format))


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["avx512_bf16", "amx_bf16"], "fast"),
        (["avx512_bf16"], "compare its speed"),
        (["bf16"], "compare its speed"),
        ([], "slower"),
    ],
)
def test_bf16_is_judged_by_the_flags(flags, word):
    assert word in rate_bf16(flags)
    assert word in dict(build_section(make_cpu(flags=flags), num_threads=1, format="fp32").lines)["bf16"]


def test_an_idle_machine_calls_for_nothing():
    assert texts(make_cpu()) == ""


@pytest.mark.parametrize(
    ("load", "limit", "is_noted"), [(4.5, None, True), (3.5, None, False), (3.5, 2.0, True), (None, 2.0, False)]
)
def test_a_high_load_is_noted(load, limit, is_noted):
    assert ("load" in texts(make_cpu(load=load, limit=limit))) == is_noted


@pytest.mark.parametrize(("num_threads", "is_noted"), [(4, False), (5, True)])
def test_more_threads_than_cores_are_noted(num_threads, is_noted):
    assert (
        f"hardware.num_threads={num_threads}: this process has 4 cores" in texts(make_cpu(), num_threads=num_threads)
    ) == is_noted


@pytest.mark.parametrize(
    ("format", "flags", "is_noted"),
    [("fp32", [], False), ("bf16", [], True), ("bf16", ["avx512_bf16"], False), ("fp16", [], True)],
)
def test_a_slow_format_is_noted(format, flags, is_noted):
    assert (f"precision={format}" in texts(make_cpu(flags=flags), format=format)) == is_noted


def test_this_machine():
    found = read_cpu()
    assert 1 <= found.usable <= found.cores == os.cpu_count()
    assert found.threads == torch.get_num_threads()
