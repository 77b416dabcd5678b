"""Group normalisation: `norm=gn`."""

from collections.abc import Mapping

from torch import nn


def gn(num_features: int, *, groups: int | Mapping[int, int], group_size: int | None, eps: float) -> nn.GroupNorm:
    """Group normalisation of features or images, with a learned scale and shift for each channel.

    Args:
        num_features: Number of channels C.
        groups: Number of groups, or a map from channels to groups.
        group_size: Channels in each group; takes the place of `groups`.
        eps: Added to the variance.

    Shape:
        input [B, C] or [B, C, H, W], output the same. Statistics are per example and group, over its channels and positions.

    Raises:
        ValueError: If the groups do not divide the channels or have one channel each, or the map has no entry for C.

    Source: Wu & He 2018, arXiv:1803.08494.
    """
    if num_features == 1:
        raise ValueError("norm=gn needs more than one channel, got 1: use norm=in or norm=ln.")
    divisors = [n for n in range(1, num_features + 1) if num_features % n == 0]
    if group_size is not None:
        _check("norm.group_size", group_size, num_features, divisors[1:], instance_norm=1)
        return nn.GroupNorm(num_features // group_size, num_features, eps=eps)
    if isinstance(groups, Mapping):
        if num_features not in groups:
            known = ", ".join(str(channels) for channels in groups)
            raise ValueError(f"norm.groups has an entry for {known} channels, but none for {num_features}: add one.")
        groups = groups[num_features]
    _check("norm.groups", groups, num_features, divisors[:-1], instance_norm=num_features)
    return nn.GroupNorm(groups, num_features, eps=eps)


def _check(key: str, value: int, num_features: int, allowed: list[int], *, instance_norm: int) -> None:
    if value == instance_norm:
        raise ValueError(
            f"{key}={value} gives each of the {num_features} channels its own group: this is instance norm: norm=in."
        )
    if value not in allowed:
        choices = ", ".join(str(choice) for choice in allowed)
        raise ValueError(f"{key}={value} does not divide {num_features} channels: use one of {choices}.")
