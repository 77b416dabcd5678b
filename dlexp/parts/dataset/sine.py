"""A noisy sine, cut into windows: the smallest time series."""

import math

import torch

from dlexp.contract import ConfigError, Source, Split


def read(*, num_examples: int, window: int, period: float, noise: float, test_fraction: float, data_seed: int) -> Source:
    """Windows of y[t] = sin(2 pi t / period + phase) + noise * N(0, 1), each with the value after it as its target.

    Windows lie end to end: no value of the series is in two examples, so that a validation split drawn at random has seen
    nothing of the training examples either. The test split is the end of the series.

    Args:
        num_examples: Windows in all.
        window: Values of one, T.
        period: Values of one oscillation.
        noise: Standard deviation of the Gaussian; the amplitude is 1.
        test_fraction: Share of the windows, rounded up, that are the test split.
        data_seed: Drives phase and noise.

    Shape:
        inputs [N, T, 1], targets [N, 1].

    Raises:
        ConfigError: If a split would be empty.
    """
    num_test = math.ceil(test_fraction * num_examples)
    if num_test == num_examples:
        raise ConfigError(
            f"dataset.test_fraction: expected a share that leaves examples on both sides, "
            f"got {test_fraction:g} of {num_examples}."
        )
    generator = torch.Generator().manual_seed(data_seed)
    length = num_examples * (window + 1)
    phase = 2 * math.pi * torch.rand(1, generator=generator, dtype=torch.float64)
    times = torch.arange(length, dtype=torch.float64)  # float32 would lose the phase of a long series
    series = (torch.sin(2 * math.pi * times / period + phase) + noise * torch.randn(length, generator=generator)).float()
    pieces = series.view(num_examples, window + 1, 1)
    train, test = (
        Split(some[:, :-1].contiguous(), some[:, -1].clone()) for some in pieces.split([num_examples - num_test, num_test])
    )
    return Source(train=train, test=test, classes=())
