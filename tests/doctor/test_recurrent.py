import pytest

from dlexp.doctor.recurrent import build_section, find_obstacles


@pytest.mark.parametrize(
    ("model", "device", "cudnn", "words"),
    [
        ({"cell": "fused"}, "cuda", "9.26.0", []),
        ({"cell": "fused", "dropout": 0.5, "depth": 3}, "cuda", "9.26.0", []),
        ({"cell": "loop"}, "cuda", "9.26.0", ["model.cell=loop"]),
        ({"cell": "fused"}, "cpu", "9.26.0", ["on the CPU"]),
        ({"cell": "loop"}, "cpu", None, ["model.cell=loop", "on the CPU"]),
        ({"cell": "fused"}, "cuda", None, ["without cuDNN"]),
    ],
)
def test_the_reasons_against_fused_kernels(model, device, cudnn, words):
    reasons = find_obstacles(model, device, cudnn)
    assert [word in reason for word, reason in zip(words, reasons, strict=True)] == [True] * len(words)
    assert build_section("lstm", model, device, cudnn).facts["fused"] == (not words)


@pytest.mark.parametrize(("device", "count"), [("cuda", 1), ("cpu", 0)])
def test_a_loop_is_noted_on_a_gpu(device, count):
    assert len(build_section("lstm", {"cell": "loop"}, device, "9.26.0").findings) == count
