"""Scaling of inputs, (inputs - shift) * factor: computes shift and factor from data, or takes them from the config."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dlexp.contract import ConfigError

Scale = Literal["none", "unit", "standardize", "standardize_features", "minmax"] | Mapping[str, Sequence[float]]


class _Statistics(NamedTuple):
    """Float64 tensors that broadcast against one example: per channel [C, 1, 1], pixel [C, H, W] or feature [F]."""

    low: Tensor
    high: Tensor
    mean: Tensor
    sd: Tensor


def fit_scale(inputs: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
    """Compute shift and factor, float32, for these inputs.

    - none: no change
    - unit: divide by the largest absolute value of all inputs
    - standardize: mean 0 and standard deviation 1 in each channel or feature
    - standardize_features: the same in each pixel of each channel, as scikit-learn's StandardScaler does with flat images
    - minmax: to [0, 1] in each channel or feature
    - {mean, std}: subtract mean and divide by std, one number for each channel or one for all; for images in units of the pixel
      range, as torchvision's ToTensor and Normalize do

    Constant channels, pixels and features are shifted only.

    Args:
        inputs: Inputs to compute statistics of.
        scale: One of the five names, or a map.

    Shape:
        inputs uint8 [N, C, H, W] or float32 [N, F] or [N, T, F]; shift and factor [C, 1, 1], [C, H, W] or [F].

    Raises:
        ConfigError: If `standardize_features` gets no images, if a map has the wrong number of values, or if float32 cannot
            hold the scaled inputs.
    """
    images = inputs.dim() == 4
    if isinstance(scale, Mapping):
        mean, std = (_read_numbers(scale[name], f"dataset.scale.{name}", inputs) for name in ("mean", "std"))
        extremes = torch.tensor([0.0, 255.0]).view(2, 1, 1, 1) if images else torch.stack(inputs.flatten(0, -2).aminmax(dim=0))
        return _check_finite(mean.float(), (1 / std).float(), extremes, "this mean and std")
    if scale == "standardize_features" and not images:
        raise ConfigError("dataset.scale=standardize_features needs images: standardize does it for each feature.")
    compute = _feature_statistics if not images else _pixel_statistics if scale.endswith("_features") else _channel_statistics
    low, high, mean, sd = compute(inputs)
    zero = torch.zeros_like(mean)
    sd = torch.where(low == high, 0.0, sd)  # the sum of equal floats rounds: sd is not quite 0
    shift, spread = {
        "none": (zero, zero + 1),
        "unit": (zero, zero + torch.maximum(low.abs(), high.abs()).max()),
        "standardize": (mean, sd),
        "standardize_features": (mean, sd),
        "minmax": (low, high - low),
    }[scale]
    extremes = torch.stack([low, high])
    return _check_finite(shift.float(), torch.where(spread == 0, 1.0, 1 / spread).float(), extremes, scale)


def _check_finite(shift: Tensor, factor: Tensor, extremes: Tensor, scale: str) -> tuple[Tensor, Tensor]:
    """Return shift and factor, or refuse them if the smallest and the largest inputs, [2, ...], leave float32 by them."""
    scaled = (extremes.float() - shift) * factor
    if not (scaled.isfinite().all() and factor.isfinite().all()):
        raise ConfigError(
            f"dataset.scale: expected scaled inputs that float32 can hold, got infinite ones: with {scale} they are "
            f"(input - {_extreme(shift):g}) * {_extreme(factor):g}."
        )
    return shift, factor


def _extreme(values: Tensor) -> float:
    """The value that is farthest from 0."""
    return float(values.flatten()[values.abs().argmax()])


def _read_numbers(numbers: Sequence[float], key: str, inputs: Tensor) -> Tensor:
    """Expand the numbers of a map to one for each channel or feature; for images in pixel values, 0 to 255."""
    channels = inputs.shape[1] if inputs.dim() == 4 else inputs.shape[-1]
    if len(numbers) not in (1, channels):
        raise ConfigError(
            f"{key}: expected one number, or one for each of {channels} channels or features, got {len(numbers)}."
        )
    values = torch.tensor(numbers, dtype=torch.float64).expand(channels)
    return 255 * values.view(-1, 1, 1) if inputs.dim() == 4 else values


def _feature_statistics(inputs: Tensor) -> _Statistics:
    features = inputs.double().flatten(0, -2)  # each step of a series counts as an example
    low, high = features.aminmax(dim=0)
    return _Statistics(low, high, features.mean(0), features.std(0, correction=0))


def _channel_statistics(inputs: Tensor) -> _Statistics:
    """Exact statistics from the counts of the 256 pixel values, so that the images are not converted to floats."""
    counts = torch.zeros(inputs.shape[1], 256, dtype=torch.int64)
    for images in inputs.split(1024):
        counts += torch.stack([channel.flatten().bincount(minlength=256) for channel in images.unbind(1)])
    values = torch.arange(256, dtype=torch.float64)
    present = torch.where(counts > 0, values, torch.nan)
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = (share * values).sum(1)
    sd = (share * (values - mean[:, None]).square()).sum(1).sqrt()
    low, high = present.nan_to_num(torch.inf).amin(1), present.nan_to_num(-torch.inf).amax(1)
    return _Statistics(*(statistic.view(-1, 1, 1) for statistic in (low, high, mean, sd)))


def _pixel_statistics(inputs: Tensor) -> _Statistics:
    """Exact statistics from integer sums, a few images at a time."""
    total = torch.zeros(inputs.shape[1:], dtype=torch.int64)
    squares = torch.zeros_like(total)
    for images in inputs.split(128):
        pixels = images.long()
        total += pixels.sum(0)
        squares += pixels.square().sum(0)
    low, high = (extreme.double() for extreme in inputs.aminmax(dim=0))
    variance = (len(inputs) * squares - total.square()).double() / len(inputs) ** 2
    return _Statistics(low, high, total.double() / len(inputs), variance.sqrt())
