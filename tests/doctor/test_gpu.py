import json
from dataclasses import replace

import pytest

from dlexp.doctor.gpu import (
    Gpu,
    Graphics,
    build_section,
    find_formats,
    has_kernels,
    judge,
    rate_mixed_precision,
    read_gpus,
)

KERNELS = ["sm_75", "sm_80", "sm_90", "compute_120"]
NONE = Graphics(cuda="13.2", cudnn="9.26.0", driver=None, kernels=KERNELS, tf32={}, auto={"hardware": "cpu"}, gpus=[])


def with_card(capability, name="a card"):
    return replace(NONE, driver="580.1", gpus=[Gpu(name, capability, total_memory=2**33, free_memory=2**32)])


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((6, 1), (False, False, False, False)),
        ((7, 0), (True, True, False, False)),
        ((7, 5), (True, True, False, False)),
        ((8, 0), (True, True, True, True)),
        ((9, 0), (True, True, True, True)),
    ],
)
def test_formats_follow_from_the_compute_capability(capability, expected):
    assert find_formats(capability) == expected


def test_a_gtx_16_has_no_tensor_cores():
    assert find_formats((7, 5), "NVIDIA GeForce GTX 1660") == (False, True, False, False)


@pytest.mark.parametrize(
    ("capability", "words"),
    [
        ((6, 1), "mixed precision is not faster on compute capability 6.1"),
        ((7, 5), "precision=fp16 is faster than fp32; bf16 and tf32 need compute capability 8.0"),
        ((8, 0), "precision=bf16, fp16 and tf32 are faster than fp32"),
        ((9, 0), "precision=bf16, fp16 and tf32 are faster than fp32"),
    ],
)
def test_mixed_precision_is_rated_by_the_card(capability, words):
    assert words in rate_mixed_precision(capability)
    assert words in " ".join(value for _, value in build_section(with_card(capability), "").lines)


@pytest.mark.parametrize(
    ("capability", "kernels", "expected"),
    [
        ((6, 1), KERNELS, False),
        ((7, 5), KERNELS, True),
        ((8, 6), KERNELS, True),  # machine code of 8.0
        ((8, 0), ["sm_86"], False),
        ((10, 0), KERNELS, False),
        ((12, 1), KERNELS, True),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["compute_90"], True),
        ((10, 3), ["sm_100a"], False),
    ],
)
def test_kernels_run_on_what_they_were_compiled_for(capability, kernels, expected):
    assert has_kernels(capability, kernels) == expected


def test_an_old_card_is_noted():
    texts = [finding.text for finding in judge(with_card((6, 1), "GTX 1080"), "")]
    assert "GTX 1080: this torch was compiled for sm_75, sm_80, sm_90, compute_120 only." in texts
    assert "GTX 1080: mixed precision is not faster on compute capability 6.1: use precision=fp32." in texts


@pytest.mark.parametrize(("format", "count"), [("fp16", 0), ("bf16", 1)])
def test_bf16_before_ampere_is_noted(format, count):
    assert len(judge(with_card((7, 5)), format)) == count


def test_a_driver_without_a_usable_gpu_is_noted():
    assert judge(NONE, "") == []
    assert "the driver may be too old" in judge(replace(NONE, driver="470.1"), "")[0].text
    assert "built without CUDA" in judge(replace(NONE, driver="470.1", cuda=None), "")[0].text


def test_this_machine():
    section = build_section(read_gpus(), "")
    assert dict(section.lines)["auto"].startswith("hardware=auto means ")
    assert json.loads(json.dumps(section.facts))["auto"].keys() == {"hardware", "precision"}
