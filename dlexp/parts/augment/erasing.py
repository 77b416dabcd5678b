"""Fill a rectangle in some images: `augment=erasing`."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.rectangles import check_range, choose, cover, draw_sides


class Erasing:
    """Fill a rectangle of random size, shape and place within some images.

    Its area is uniform on a part of the image's area, the logarithm of height / width on a range, and its place on all places
    within the image.

    Args:
        p: Probability that an image is changed.
        area: Smallest and largest area, as shares of the image's.
        ratio: Smallest and largest height / width.
        value: What each channel in the rectangle becomes, 0 … 255.

    Shape:
        inputs [B, C, H, W] of any dtype, raw pixels; parameters [B, 5], each uniform on [0, 1): whether, area, ratio, row,
        column. Targets do not change.

    Raises:
        ConfigError: If the first number of a range is above the second.

    Source: Zhong et al. 2017, arXiv:1708.04896. Differs: a side that is longer than the image is cut to its length, where the
    paper draws again.
    """

    def __init__(self, *, p: float, area: Sequence[float], ratio: Sequence[float], value: int) -> None:
        check_range("area", area)
        check_range("ratio", ratio)
        self.p, self.area, self.ratio, self.value = p, area, ratio, value

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 5"]:
        """Draw five numbers for each image."""
        return torch.rand(num_examples, 5, generator=make_generator(seed, "augmentation", epoch))

    def __call__(self, inputs: Images, targets: Targets, parameters: Float[Tensor, "batch 5"]) -> tuple[Images, Targets]:
        """Fill a rectangle in each image that is changed."""
        whether, area, ratio, y, x = parameters.unbind(1)
        height, width = draw_sides(inputs.shape, area, ratio, self.area, self.ratio)
        top, left = choose(y, inputs.shape[2] - height + 1), choose(x, inputs.shape[3] - width + 1)
        covered = cover(inputs.shape, top, left, height, width) & (whether < self.p)[:, None, None, None]
        return inputs.masked_fill(covered, self.value), targets
