"""A noisy line: a regression in which overfitting is visible."""

import torch

from dlexp.contract import Source, Split


def read(*, num_train: int, num_test: int, noise: float, data_seed: int) -> Source:
    """Make evenly spaced x in [-1, 1] and y = x + noise * N(0, 1), drawn separately for the test split.

    Args:
        num_train: Examples to train on.
        num_test: Examples to test on; the same for every `num_train`.
        noise: Standard deviation of the Gaussian.
        data_seed: Seed of the noise.
    """
    generator = torch.Generator().manual_seed(data_seed)
    test = _draw(num_test, noise, generator)
    train = _draw(num_train, noise, generator)
    return Source(train=train, test=test, classes=())


def _draw(num_examples: int, noise: float, generator: torch.Generator) -> Split:
    x = torch.linspace(-1, 1, num_examples)[:, None]
    return Split(x, x + noise * torch.randn(x.shape, generator=generator))
