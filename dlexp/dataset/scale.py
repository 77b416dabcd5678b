"""Scaling of inputs: (inputs - shift) * factor, fitted on training data."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Scale = Literal["none", "unit", "standardize", "minmax"]


class _Statistics(NamedTuple):
    """Of each channel or feature, float64."""

    low: Tensor
    high: Tensor
    mean: Tensor
    sd: Tensor


def fit_scale(inputs: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
    """Shift and factor, float32, that scale these inputs.

    none: unchanged. unit: divided by the largest absolute value of all. standardize: mean 0 and standard deviation 1 in each
    channel or feature. minmax: [0, 1] in each channel or feature. What is constant is shifted only.

    Args:
        inputs: Training data, without the validation split.
        scale: One of the four.

    Shape:
        inputs uint8 [N, C, H, W] or float32 [N, F]; shift and factor [C, 1, 1] or [F].
    """
    images = inputs.dim() == 4
    low, high, mean, sd = _image_statistics(inputs) if images else _feature_statistics(inputs)
    zero = torch.zeros_like(mean)
    shift, spread = {
        "none": (zero, zero + 1),
        "unit": (zero, zero + torch.maximum(low.abs(), high.abs()).max()),
        "standardize": (mean, torch.where(low == high, 0.0, sd)),  # the sum of equal floats rounds: sd is not quite 0
        "minmax": (low, high - low),
    }[scale]
    factor = torch.where(spread == 0, 1.0, 1 / spread)
    shape = (-1, 1, 1) if images else (-1,)
    return shift.float().view(shape), factor.float().view(shape)


def _feature_statistics(inputs: Tensor) -> _Statistics:
    features = inputs.double()
    low, high = features.aminmax(dim=0)
    return _Statistics(low, high, features.mean(0), features.std(0, correction=0))


def _image_statistics(inputs: Tensor) -> _Statistics:
    """Exact, from counts of the 256 pixel values, so that the images are never copied to floats."""
    counts = torch.zeros(inputs.shape[1], 256, dtype=torch.int64)
    for some in inputs.split(1024):
        counts += torch.stack([channel.flatten().bincount(minlength=256) for channel in some.unbind(1)])
    values = torch.arange(256, dtype=torch.float64)
    present = torch.where(counts > 0, values, torch.nan)
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = (share * values).sum(1)
    sd = (share * (values - mean[:, None]).square()).sum(1).sqrt()
    low = present.nan_to_num(torch.inf).amin(1)
    return _Statistics(low, present.nan_to_num(-torch.inf).amax(1), mean, sd)
