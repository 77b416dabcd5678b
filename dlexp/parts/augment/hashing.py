"""Random numbers for each pixel of an image, as a pure function of one number that was drawn for the image.

Drawn ahead, those of an epoch would be as many as its pixels. A hash computes them when they are needed, the same on every device
and in any batch.
"""

import torch
from jaxtyping import Float, Int32
from torch import Tensor

FACTORS = (-2048144789, -1028477387)  # 0x85ebca6b and 0xc2b2ae35 as int32
BITS = 24  # of each number, as many as float32 holds


def draw_keys(num_examples: int, draw: torch.Generator) -> Int32[Tensor, "num_examples 1"]:
    """Draw the number from which those of an example come."""
    return torch.randint(-(2**31), 2**31, (num_examples, 1), generator=draw, dtype=torch.int64).to(torch.int32)


def draw_uniform(keys: Int32[Tensor, "batch 1"], count: int) -> Float[Tensor, "batch count"]:
    """Numbers between 0 and 1, neither included, as many as asked for from each key."""
    places = _mix(torch.arange(count, dtype=torch.int32, device=keys.device))
    return ((_shift(_mix(places ^ keys), 32 - BITS)).float() + 0.5) * 2.0**-BITS


def draw_normal(keys: Int32[Tensor, "batch 1"], count: int) -> Float[Tensor, "batch count"]:
    """Numbers of the standard normal distribution, as many as asked for from each key.

    Source: Box & Muller 1958.
    """
    half = -(-count // 2)
    radius, turn = draw_uniform(keys, 2 * half).unflatten(1, (2, half)).unbind(1)
    radius, turn = radius.log().mul_(-2).sqrt_(), turn * (2 * torch.pi)
    return torch.cat([radius * turn.cos(), radius * turn.sin()], dim=1)[:, :count]


def _mix(bits: Int32[Tensor, "*shape"]) -> Int32[Tensor, "*shape"]:
    """Turn integers into others that look random: two that differ in one bit become two that differ in half of them.

    Source: the finalizer of MurmurHash3, Appleby 2011. Products wrap around.
    """
    bits = (bits ^ _shift(bits, 16)) * FACTORS[0]
    bits = (bits ^ _shift(bits, 13)) * FACTORS[1]
    return bits ^ _shift(bits, 16)


def _shift(bits: Int32[Tensor, "*shape"], count: int) -> Int32[Tensor, "*shape"]:
    """Shift to the right without regard to the sign."""
    return (bits >> count) & (2 ** (32 - count) - 1)
