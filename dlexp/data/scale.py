"""Scaling of inputs: (inputs - shift) * factor, fitted on data or given."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dlexp.contract import ConfigError

Scale = Literal["none", "unit", "standardize", "standardize_features", "minmax"] | Mapping[str, Sequence[float]]


class _Statistics(NamedTuple):
    """Float64, in a shape that broadcasts against one example: of each channel [C, 1, 1], pixel [C, H, W] or feature [F]."""

    low: Tensor
    high: Tensor
    mean: Tensor
    sd: Tensor


def fit_scale(inputs: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
    """Shift and factor, float32, that scale these inputs.

    none: unchanged. unit: divided by the largest absolute value of all. standardize: mean 0 and standard deviation 1 in each
    channel or feature. standardize_features: in each pixel of each channel, as scikit-learn's StandardScaler does with flat
    images. minmax: [0, 1] in each channel or feature. What is constant is shifted only. A map of `mean` and `std`, a number for
    each channel or one for all: these, for pixels in units of their range, as torchvision's ToTensor and Normalize.

    Args:
        inputs: What is fitted on.
        scale: One of the five, or a map.

    Shape:
        inputs uint8 [N, C, H, W] or float32 [N, F] or [N, T, F]; shift and factor [C, 1, 1], [C, H, W] or [F].

    Raises:
        ConfigError: If there are no pixels to standardize, or if a map has too few or too many numbers.
    """
    images = inputs.dim() == 4
    if isinstance(scale, Mapping):
        mean, std = (_given(scale[name], f"dataset.scale.{name}", inputs) for name in ("mean", "std"))
        return mean.float(), (1 / std).float()
    if scale == "standardize_features" and not images:
        raise ConfigError("dataset.scale=standardize_features needs images: standardize does it for each feature.")
    measure = _feature_statistics if not images else _pixel_statistics if scale.endswith("_features") else _channel_statistics
    low, high, mean, sd = measure(inputs)
    zero = torch.zeros_like(mean)
    sd = torch.where(low == high, 0.0, sd)  # the sum of equal floats rounds: sd is not quite 0
    shift, spread = {
        "none": (zero, zero + 1),
        "unit": (zero, zero + torch.maximum(low.abs(), high.abs()).max()),
        "standardize": (mean, sd),
        "standardize_features": (mean, sd),
        "minmax": (low, high - low),
    }[scale]
    return shift.float(), torch.where(spread == 0, 1.0, 1 / spread).float()


def _given(numbers: Sequence[float], key: str, inputs: Tensor) -> Tensor:
    """One number for each channel or feature; of pixels, in units of 1/255 of their range."""
    channels = inputs.shape[1] if inputs.dim() == 4 else inputs.shape[-1]
    if len(numbers) not in (1, channels):
        raise ConfigError(
            f"{key}: expected one number, or one for each of {channels} channels or features, got {len(numbers)}."
        )
    values = torch.tensor(numbers, dtype=torch.float64).expand(channels)
    return 255 * values.view(-1, 1, 1) if inputs.dim() == 4 else values


def _feature_statistics(inputs: Tensor) -> _Statistics:
    features = inputs.double().flatten(0, -2)  # the steps of a series are so many examples
    low, high = features.aminmax(dim=0)
    return _Statistics(low, high, features.mean(0), features.std(0, correction=0))


def _channel_statistics(inputs: Tensor) -> _Statistics:
    """Exact, from counts of the 256 pixel values, so that the images are never copied to floats."""
    counts = torch.zeros(inputs.shape[1], 256, dtype=torch.int64)
    for some in inputs.split(1024):
        counts += torch.stack([channel.flatten().bincount(minlength=256) for channel in some.unbind(1)])
    values = torch.arange(256, dtype=torch.float64)
    present = torch.where(counts > 0, values, torch.nan)
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = (share * values).sum(1)
    sd = (share * (values - mean[:, None]).square()).sum(1).sqrt()
    low, high = present.nan_to_num(torch.inf).amin(1), present.nan_to_num(-torch.inf).amax(1)
    return _Statistics(*(statistic.view(-1, 1, 1) for statistic in (low, high, mean, sd)))


def _pixel_statistics(inputs: Tensor) -> _Statistics:
    """Exact, from sums of integers, over a few images at a time."""
    total = torch.zeros(inputs.shape[1:], dtype=torch.int64)
    squares = torch.zeros_like(total)
    for some in inputs.split(128):
        pixels = some.long()
        total += pixels.sum(0)
        squares += pixels.square().sum(0)
    low, high = (extreme.double() for extreme in inputs.aminmax(dim=0))
    variance = (len(inputs) * squares - total.square()).double() / len(inputs) ** 2
    return _Statistics(low, high, total.double() / len(inputs), variance.sqrt())
