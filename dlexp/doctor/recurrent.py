"""Whether a recurrent model runs on cuDNN's fused kernels, which compute all time steps in one call."""

from collections.abc import Mapping
from typing import Any

from dlexp.doctor.findings import Section, note


def find_obstacles(model: Mapping[str, Any], device: str, cudnn: str | None) -> list[str]:
    """The reasons why cuDNN's fused kernels are not used; an empty list if they are.

    A fused cell has cuDNN's activations by definition. Neither dropout, which acts between layers, nor fp16 and bf16, nor
    hardware.determinism changes the kernels.

    Args:
        model: The model's keys, of which `cell` matters.
        device: `cpu` or `cuda`.
        cudnn: Version, or None.
    """
    reasons = []
    if model.get("cell", "fused") != "fused":
        reasons.append(f"model.cell={model['cell']} computes one time step after the other in Python; use model.cell=fused")
    if device != "cuda":
        reasons.append("the run is on the CPU, and cuDNN needs an NVIDIA GPU")
    elif cudnn is None:
        reasons.append("this torch was built without cuDNN")
    return reasons


def build_section(option: str, model: Mapping[str, Any], device: str, cudnn: str | None) -> Section:
    """The section on a recurrent model, which is the chosen `option` of the group `model`; else as `find_obstacles`."""
    reasons = find_obstacles(model, device, cudnn)
    lines = [("cuDNN kernels", "not used" if reasons else "used: all time steps in one call")]
    lines += [("", reason) for reason in reasons]
    # On the CPU there is nothing to gain, so the reasons are no findings.
    findings = [note(f"model={option} does not use cuDNN's fast kernels: {reason}.") for reason in reasons if device == "cuda"]
    return Section(option, {"fused": not reasons, "reasons": reasons}, lines, findings)
