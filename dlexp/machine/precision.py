"""Number formats: autocast and the gradient scaler, as one value."""

from contextlib import AbstractContextManager, nullcontext

import torch

from dlexp.errors import UnsupportedError

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """The number format of the forward pass on one device.

    Parameters, loss and optimizer state stay float32; `scaler` is a no-op unless the format is fp16.

    Args:
        device: The device of the run.
        format: fp32, tf32, bf16, fp16, or auto (see `resolve_format`).
        init_scale: Initial loss scale of fp16.
        growth_interval: Steps without overflow after which fp16's scale doubles.

    Raises:
        UnsupportedError: If the device lacks the format.
    """

    def __init__(self, device: torch.device, *, format: str, init_scale: float = 65536.0, growth_interval: int = 2000) -> None:
        self.format = resolve_format(format, device)
        if self.format == "tf32" and _capability(device) < (8, 0):
            raise UnsupportedError("precision=tf32 needs an NVIDIA GPU of compute capability 8.0 or more.")
        if self.format == "bf16" and device.type == "cuda" and _capability(device) < (8, 0):
            raise UnsupportedError(
                "precision=bf16 needs a GPU of compute capability 8.0 or more; precision=fp16 works on this one."
            )
        dtype = AUTOCAST.get(self.format)
        # One object, entered once per step: creating one takes longer than a small layer.
        self.autocast: AbstractContextManager = torch.autocast(device.type, dtype) if dtype else nullcontext()
        self.scaler = torch.amp.GradScaler(
            device.type, init_scale=init_scale, growth_interval=growth_interval, enabled=self.format == "fp16"
        )


def resolve_format(format: str, device: torch.device) -> str:
    """The format that `auto` means on a device, by its capabilities alone; any other format is returned as it is."""
    if format != "auto":
        return format
    if device.type == "cuda":
        capability = _capability(device)
        return "bf16" if capability >= (8, 0) else "fp16" if capability >= (7, 0) else "fp32"
    return "bf16" if torch.cpu.get_capabilities().get("amx_tile") else "fp32"


def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)
