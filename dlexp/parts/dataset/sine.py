"""A noisy sine, cut into windows: a small time series."""

import math

import torch

from dlexp.contract import ConfigError, Source, Split
from dlexp.data.room import check_room

BYTES = 32  # of memory for each value, while the series is made in float64


def read(*, num_examples: int, window: int, period: float, noise: float, test_fraction: float, data_seed: int) -> Source:
    """Make windows of y[t] = sin(2 pi t / period + phase) + noise * N(0, 1), each with the next value as its target.

    Windows do not overlap: no value of the series is in two examples, so a random validation split shares none with the
    training examples. The test split is the end of the series.

    Args:
        num_examples: Number of windows.
        window: Number of values in a window, T.
        period: Number of values in one oscillation.
        noise: Standard deviation of the Gaussian; the amplitude is 1.
        test_fraction: Share of the windows, rounded up, in the test split.
        data_seed: Seed of phase and noise.

    Shape:
        inputs [N, T, 1], targets [N, 1].

    Raises:
        ConfigError: If a split would be empty, or if the series does not fit into memory.
    """
    num_test = math.ceil(test_fraction * num_examples)
    if num_test == num_examples:
        raise ConfigError(
            f"dataset.test_fraction: expected a share that leaves examples on both sides, "
            f"got {test_fraction:g} of {num_examples}."
        )
    length = num_examples * (window + 1)
    check_room(BYTES * length, "num_examples, window")
    generator = torch.Generator().manual_seed(data_seed)
    phase = 2 * math.pi * torch.rand(1, generator=generator, dtype=torch.float64)
    times = torch.arange(length, dtype=torch.float64)  # float32 is too coarse for the phase of a long series
    series = (torch.sin(2 * math.pi * times / period + phase) + noise * torch.randn(length, generator=generator)).float()
    pieces = series.view(num_examples, window + 1, 1)
    train, test = (
        Split(part[:, :-1].contiguous(), part[:, -1].clone()) for part in pieces.split([num_examples - num_test, num_test])
    )
    return Source(train=train, test=test, classes=())
