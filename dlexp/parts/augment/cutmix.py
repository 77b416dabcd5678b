"""Put a part of another image into each: `augment=cutmix`."""

import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.rectangles import choose, cover
from dlexp.parts.augment.shares import draw_shares, mix


class Cutmix:
    """Replace a rectangle of each image by that of the image before it in the batch, and mix the targets by the areas.

    The sides of the rectangle are those of the image times sqrt(1 - share), around a random pixel. What lies outside of the
    image is cut off, and the share of the targets is that of the area that is left.

    Args:
        alpha: The shares come from the distribution Beta(alpha, alpha); 1 is uniform.

    Shape:
        inputs [B, C, H, W] of any dtype; targets float32 [B, K]; parameters [B, 3]: the share, and row and column of the
        pixel, as shares of the image's height and width.

    Source: Yun et al. 2019, arXiv:1905.04899. Differs: a share and a place for each example, where the paper's code has one for
    a batch.
    """

    def __init__(self, *, alpha: float) -> None:
        self.alpha = alpha

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 3"]:
        """Draw the shares and the pixels."""
        places = torch.rand(num_examples, 2, generator=make_generator(seed, "augmentation", epoch))
        return torch.cat([draw_shares(self.alpha, num_examples, seed, epoch)[:, None], places], dim=1)

    def __call__(self, inputs: Images, targets: Targets, parameters: Float[Tensor, "batch 3"]) -> tuple[Images, Targets]:
        """Mix inputs and targets."""
        share, *places = parameters.unbind(1)
        half = 0.5 * (1 - share).sqrt()
        rows, columns = (
            (choose(place, size), (half * size).long()) for place, size in zip(places, inputs.shape[2:], strict=True)
        )
        replaced = cover(inputs.shape, rows[0] - rows[1], columns[0] - columns[1], 2 * rows[1], 2 * columns[1])
        left = 1 - replaced.float().mean((1, 2, 3))
        return torch.where(replaced, inputs.roll(1, 0), inputs), mix(targets, left)
