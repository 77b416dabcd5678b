"""Take the colours out of some images: `augment=grayscale`."""

import torch
from jaxtyping import Bool
from torch import Tensor

from dlexp.contract import Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.colors import to_grey
from dlexp.parts.augment.pixels import check_channels, to_raw


class Grayscale:
    """Set all three channels of some images to their brightness.

    Args:
        p: Probability that an image is changed.

    Shape:
        inputs [B, 3, H, W], raw pixels; parameters [B, 1]: whether. Targets do not change.

    Raises:
        ConfigError: If the images have another number of channels.
    """

    def __init__(self, *, p: float) -> None:
        self.p = p

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Bool[Tensor, "num_examples 1"]:
        """Draw whether each image is changed."""
        return torch.rand(num_examples, 1, generator=make_generator(seed, "augmentation", epoch)) < self.p

    def __call__(self, inputs: Images, targets: Targets, parameters: Bool[Tensor, "batch 1"]) -> tuple[Images, Targets]:
        """Change the images that are drawn."""
        check_channels(inputs, "augment=grayscale", "leave it out")
        return torch.where(parameters[:, :, None, None], to_raw(to_grey(inputs.float()), inputs.dtype), inputs), targets
