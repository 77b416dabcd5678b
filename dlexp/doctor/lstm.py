"""Whether an LSTM is computed by cuDNN's fused kernels, which take all its steps at once."""

from collections.abc import Mapping
from typing import Any

from dlexp.doctor.findings import Finding, Section, note


def detours(model: Mapping[str, Any], device: str, cudnn: str | None) -> list[str]:
    """What takes `model=lstm` off cuDNN's fused kernels; nothing means that they compute it.

    torch.nn.LSTM has cuDNN's activations by definition, and neither its dropout, which acts between layers, nor fp16 and bf16,
    nor hardware.determinism changes the kernels.

    Args:
        model: Its keys, of which `cell` matters.
        device: `cpu` or `cuda`.
        cudnn: Version, or None.

    Returns:
        One reason each.
    """
    reasons = []
    if model.get("cell", "fused") != "fused":
        reasons.append(f"model.cell={model['cell']} takes one step after the other, in Python: model.cell=fused")
    if device != "cuda":
        reasons.append("the run is on the CPU, and cuDNN is for NVIDIA GPUs")
    elif cudnn is None:
        reasons.append("this torch was built without cuDNN")
    return reasons


def section(model: Mapping[str, Any], device: str, cudnn: str | None) -> Section:
    """The LSTM."""
    reasons = detours(model, device, cudnn)
    lines = [("cuDNN kernels", "not used" if reasons else "used: all steps in one call")]
    lines += [("", reason) for reason in reasons]
    # Asked for by name, the loop is no surprise; on a GPU it is what costs the time.
    findings: list[Finding] = [
        note(f"model=lstm leaves cuDNN's fast path: {reason}.") for reason in reasons if device == "cuda"
    ]
    return Section("lstm", {"fused": not reasons, "reasons": reasons}, lines, findings)
