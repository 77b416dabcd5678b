"""One random operation of random strength on each image: `augment=trivialaugment`."""

import torch
from jaxtyping import Int16
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.operations import BINS, Drawn, Strengths, draw_operations, operate
from dlexp.parts.augment.pixels import check_channels
from dlexp.parts.augment.warp import Interpolation

STRENGTHS = Strengths(shear=0.99, translate=32, translate_by_pixels=True, rotate=135, blend=0.99, posterize=6)


class TrivialAugment:
    """Apply to each image one operation that is drawn from fourteen, at a level that is drawn from 31.

    Args:
        interpolation: Whether a moved pixel is the nearest one of the image, or a mean of the four around its place.

    Shape:
        inputs [B, C, H, W] with one channel or three, raw pixels; parameters [B, 3]: operation, direction and level.
        Targets do not change.

    Raises:
        ConfigError: If the images have another number of channels.

    Source: Müller & Hutter 2021, arXiv:2103.10158, the wide space, with the operations and levels of torchvision.
    """

    def __init__(self, *, interpolation: Interpolation) -> None:
        self.interpolation = interpolation

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Int16[Tensor, "num_examples 3"]:
        """Draw the operations, directions and levels."""
        draw = make_generator(seed, "augmentation", epoch)
        operations = draw_operations(num_examples, draw)
        return torch.cat([operations, torch.randint(0, BINS, (num_examples, 1), generator=draw, dtype=torch.int16)], dim=1)

    def __call__(self, inputs: Images, targets: Targets, parameters: Int16[Tensor, "batch 3"]) -> tuple[Images, Targets]:
        """Apply the operations."""
        check_channels(inputs, "augment=trivialaugment", "use other augmentations", grey=True)
        operations, positive, levels = parameters.long().unbind(1)
        drawn = Drawn(operations, levels / (BINS - 1), 2.0 * positive - 1)
        return operate(inputs, drawn, STRENGTHS, self.interpolation), targets
