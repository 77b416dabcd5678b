"""Random numbers for each pixel of an image, as a pure function of one number that was drawn for the image.

Those of an epoch are as many as its pixels, too many to be drawn ahead. A hash computes them when they are needed, the same on
every device and in any batch.
"""

import torch
from jaxtyping import Float, Int32
from torch import Tensor

FACTORS = (-2048144789, -1028477387)  # 0x85ebca6b and 0xc2b2ae35 as int32
BITS = 24  # of a uniform number, as many as float32 holds


def draw_keys(num_examples: int, draw: torch.Generator) -> Int32[Tensor, "num_examples 1"]:
    """Draw the number from which those of an example come."""
    return torch.randint(-(2**31), 2**31, (num_examples, 1), generator=draw, dtype=torch.int64).to(torch.int32)


def draw_uniform(keys: Int32[Tensor, "batch 1"], count: int) -> Float[Tensor, "batch count"]:
    """Numbers between 0 and 1, neither included, as many as asked for from each key."""
    return _to_unit(_shift(_hash(keys, count), 32 - BITS), BITS)


def draw_normal(keys: Int32[Tensor, "batch 1"], count: int) -> Float[Tensor, "batch count"]:
    """Numbers of the standard normal distribution, as many as asked for from each key. None is beyond ±4.9.

    One half of the bits of a hash becomes a radius and the other an angle, which give two numbers.

    Source: Box & Muller 1958.
    """
    bits = _hash(keys, -(-count // 2))
    radius = _to_unit(_shift(bits, 16), 16).log_().mul_(-2).sqrt_()
    angle = _to_unit(bits & 0xFFFF, 16).mul_(2 * torch.pi)
    return torch.cat([angle.cos().mul_(radius), angle.sin_().mul_(radius)], dim=1)[:, :count]


def _hash(keys: Int32[Tensor, "batch 1"], count: int) -> Int32[Tensor, "batch count"]:
    """32 bits for each place, from 0 to count - 1, and each key."""
    return _mix(_mix(torch.arange(count, dtype=torch.int32, device=keys.device)) ^ keys)


def _to_unit(bits: Int32[Tensor, "batch count"], size: int) -> Float[Tensor, "batch count"]:
    """Turn integers of this many bits into numbers between 0 and 1."""
    return bits.float().add_(0.5).mul_(2.0**-size)


def _mix(bits: Int32[Tensor, "*shape"]) -> Int32[Tensor, "*shape"]:
    """Turn integers, in place, into others that look random: a bit that differs lets half of the bits differ.

    Source: the finalizer of MurmurHash3, Appleby 2011. Products wrap around.
    """
    bits.bitwise_xor_(_shift(bits, 16)).mul_(FACTORS[0])
    bits.bitwise_xor_(_shift(bits, 13)).mul_(FACTORS[1])
    return bits.bitwise_xor_(_shift(bits, 16))


def _shift(bits: Int32[Tensor, "*shape"], count: int) -> Int32[Tensor, "*shape"]:
    """Shift to the right without regard to the sign."""
    return (bits >> count).bitwise_and_(2 ** (32 - count) - 1)
