"""Mirror images: `augment=flip`."""

import torch
from jaxtyping import Bool
from torch import Tensor

from dlexp.contract import ConfigError, Images, Targets
from dlexp.data.random_streams import make_generator


class Flip:
    """Exchange left and right of some images, and top and bottom of some.

    Args:
        horizontal: Probability of exchanging left and right.
        vertical: Probability of exchanging top and bottom.

    Shape:
        inputs [B, C, H, W] of any dtype; parameters [B, 2]: left and right, top and bottom. Targets do not change.

    Raises:
        ConfigError: If both probabilities are 0.
    """

    def __init__(self, *, horizontal: float, vertical: float) -> None:
        if horizontal == vertical == 0:
            raise ConfigError("augment=flip: horizontal=0 and vertical=0 change nothing: set one of them above 0.")
        self.horizontal, self.vertical = horizontal, vertical

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Bool[Tensor, "num_examples 2"]:
        """Draw whether each image is mirrored, in both directions."""
        drawn = torch.rand(num_examples, 2, generator=make_generator(seed, "augmentation", epoch))
        return drawn < torch.tensor([self.horizontal, self.vertical])

    def __call__(self, inputs: Images, targets: Targets, parameters: Bool[Tensor, "batch 2"]) -> tuple[Images, Targets]:
        """Mirror the images."""
        for column, probability in enumerate((self.horizontal, self.vertical)):
            if probability > 0:
                inputs = torch.where(parameters[:, column, None, None, None], inputs.flip(3 - column), inputs)
        return inputs, targets
