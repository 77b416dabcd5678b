"""A few random operations on each image, all of the same strength: `augment=randaugment`."""

import torch
from jaxtyping import Int16
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.operations import BINS, Drawn, Strengths, draw_operations, operate
from dlexp.parts.augment.pixels import check_channels
from dlexp.parts.augment.warp import Interpolation

STRENGTHS = Strengths(shear=0.3, translate=150 / 331, translate_by_pixels=False, rotate=30, blend=0.9, posterize=4)


class RandAugment:
    """Apply to each image operations that are drawn from fourteen: moves, changes of colour, and none.

    Args:
        num_ops: Number of operations, one after the other.
        magnitude: Level of each, from 0, the weakest, to 30.
        interpolation: Whether a moved pixel is the nearest one of the image, or a mean of the four around its place.

    Shape:
        inputs [B, C, H, W] with one channel or three, raw pixels; parameters [B, 2 num_ops]: of each operation, which one, and
        its direction. Targets do not change.

    Raises:
        ConfigError: If the images have another number of channels.

    Source: Cubuk et al. 2019, arXiv:1909.13719, with the operations and levels of torchvision.
    """

    def __init__(self, *, num_ops: int, magnitude: int, interpolation: Interpolation) -> None:
        self.num_ops, self.magnitude, self.interpolation = num_ops, magnitude, interpolation

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Int16[Tensor, "num_examples numbers"]:
        """Draw the operations and their directions."""
        draw = make_generator(seed, "augmentation", epoch)
        return torch.cat([draw_operations(num_examples, draw) for _ in range(self.num_ops)], dim=1)

    def __call__(self, inputs: Images, targets: Targets, parameters: Int16[Tensor, "batch numbers"]) -> tuple[Images, Targets]:
        """Apply the operations."""
        check_channels(inputs, "augment=randaugment", "use other augmentations", grey=True)
        levels = torch.full((len(inputs),), self.magnitude / (BINS - 1), device=inputs.device)
        for column in range(0, 2 * self.num_ops, 2):
            operations, positive = parameters[:, column : column + 2].long().unbind(1)
            drawn = Drawn(operations, levels, 2.0 * positive - 1)
            inputs = operate(inputs, drawn, STRENGTHS, self.interpolation)
        return inputs, targets
