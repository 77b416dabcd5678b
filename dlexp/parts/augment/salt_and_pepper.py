"""Make some pixels of images white and some black: `augment=salt_and_pepper`."""

from jaxtyping import Int32
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.hashing import draw_keys, draw_uniform
from dlexp.parts.augment.pixels import WHITE


class SaltAndPepper:
    """Make some pixels of each image black, and as many white, in all of their channels.

    Args:
        amount: Probability that a pixel is changed.

    Shape:
        inputs [B, C, H, W] of any dtype, raw pixels; parameters [B, 1]: the key of the image's random numbers. Targets do not
        change.
    """

    def __init__(self, *, amount: float) -> None:
        self.amount = amount

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Int32[Tensor, "num_examples 1"]:
        """Draw the keys."""
        return draw_keys(num_examples, make_generator(seed, "augmentation", epoch))

    def __call__(self, inputs: Images, targets: Targets, parameters: Int32[Tensor, "batch 1"]) -> tuple[Images, Targets]:
        """Change pixels of each image."""
        height, width = inputs.shape[2:]
        drawn = draw_uniform(parameters, height * width).view(-1, 1, height, width)
        black = drawn < self.amount / 2
        white = drawn > 1 - self.amount / 2
        return inputs.masked_fill(black, 0).masked_fill(white, WHITE), targets
