"""Generated images of any shape, which can be learned."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dlexp.contract import Source, Split
from dlexp.data.room import check_room

MIDDLE = 127.5  # center of the pixel range 0..255
IN_PARTS = 256  # images that are made at a time, to limit memory for floats
CONTRAST = 40.0  # standard deviation of a pattern's pixels before smoothing


def read(*, shape: Sequence[int], num_classes: int, num_train: int, num_test: int, noise: float, data_seed: int) -> Source:
    """Make images that are one smooth random pattern per class plus Gaussian noise; classes are balanced.

    Args:
        shape: Channels, height and width.
        num_classes: Number of patterns.
        num_train: Examples to train on.
        num_test: Examples to test on; the same for every `num_train`.
        noise: Standard deviation as a share of the pixel range 0..255.
        data_seed: Seed of patterns, noise and order.

    Raises:
        ConfigError: If they do not fit into memory.
    """
    channels, height, width = shape
    # Patterns and one part of the noisy images are float32, each with a copy; the training split is taken from all images.
    images = 2 * num_train + num_test + 8 * (num_classes + IN_PARTS)
    check_room(channels * height * width * images, "shape, num_train, num_test, num_classes")
    generator = torch.Generator().manual_seed(data_seed)
    coarse = torch.randn(num_classes, channels, 4, 4, generator=generator)
    patterns = MIDDLE + CONTRAST * F.interpolate(coarse, size=(height, width), mode="bilinear")
    test = _draw(patterns, num_test, noise, generator)
    train = _draw(patterns, num_train, noise, generator)
    return Source(train=train, test=test, classes=tuple(str(label) for label in range(num_classes)))


def _draw(patterns: Tensor, num_examples: int, noise: float, generator: torch.Generator) -> Split:
    targets = torch.randperm(num_examples, generator=generator) % len(patterns)
    inputs = torch.empty(num_examples, *patterns.shape[1:], dtype=torch.uint8)
    for images, labels in zip(inputs.split(IN_PARTS), targets.split(IN_PARTS), strict=True):
        pixels = patterns[labels]
        pixels += 255 * noise * torch.randn(pixels.shape, generator=generator)
        images.copy_(pixels.round_().clamp_(0, 255))
    return Split(inputs, targets)
