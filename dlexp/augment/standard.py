"""The standard augmentation of small images: horizontal flip and padded random crop."""

import torch
import torch.nn.functional as F
from jaxtyping import Int16, Shaped
from torch import Tensor

from dlexp.contract import ConfigError


class Standard:
    """Cut each image at a random place out of itself with a border of zeros, then mirror half of them.

    output[b, c, y, x] = padded[b, c, y + dy[b], x' + dx[b]], where x' = W - 1 - x if flip[b], else x

    Args:
        flip: Whether to mirror left and right, with probability 0.5 for each image.
        padding: Width of the border in pixels; dy and dx are uniform on 0 … 2 padding. 0: no crop.

    Shape:
        inputs [B, C, H, W] of any dtype, raw pixels (before scaling); parameters [B, 3]: flip, dy, dx. Output as the inputs.

    Raises:
        ConfigError: If there is nothing to do, or a crop could miss the image.

    Source: He et al. 2015, arXiv:1512.03385, section 4.2.
    """

    def __init__(self, *, flip: bool, padding: int) -> None:
        if not flip and padding == 0:
            raise ConfigError("augment: flip=false and padding=0 change nothing. Choose augment=none instead.")
        if padding < 0:
            raise ConfigError(f"augment.padding: expected at least 0, got {padding}.")
        self.flip = flip
        self.padding = padding

    def parameters(self, num_examples: int, generator: torch.Generator) -> Int16[Tensor, "num_examples 3"]:
        """Columns flip, dy, dx; the flips are the same for every padding."""
        mirrored = torch.randint(0, 2 if self.flip else 1, (num_examples, 1), generator=generator, dtype=torch.int16)
        offsets = torch.randint(0, 2 * self.padding + 1, (num_examples, 2), generator=generator, dtype=torch.int16)
        return torch.cat([mirrored, offsets], dim=1)

    def __call__(
        self, inputs: Shaped[Tensor, "batch channels height width"], parameters: Int16[Tensor, "batch 3"]
    ) -> Shaped[Tensor, "batch channels height width"]:
        """One gather over flattened pixels: on a CPU 5 times faster than an advanced index over [B, C, H, W]."""
        height, width = inputs.shape[2:]
        if self.padding >= min(height, width):
            raise ConfigError(
                f"augment.padding: expected less than the images' shorter side, {min(height, width)}, got {self.padding}."
            )
        mirrored, dy, dx = parameters.long()[:, :, None].unbind(1)  # [B, 1] each
        columns = torch.arange(width, device=inputs.device)
        columns = torch.where(mirrored == 1, width - 1 - columns, columns) + dx  # [B, W]
        rows = torch.arange(height, device=inputs.device) + dy  # [B, H]
        pixels = rows[:, :, None] * (width + 2 * self.padding) + columns[:, None, :]  # [B, H, W]
        padded = F.pad(inputs, [self.padding] * 4).flatten(2)
        return padded.gather(2, pixels.flatten(1)[:, None, :].expand(-1, inputs.shape[1], -1)).view(inputs.shape)
