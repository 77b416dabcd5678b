"""The standard augmentation of small images: horizontal flip and padded random crop."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Int16, Int64, Shaped
from torch import Tensor

from dlexp.contract import ConfigError
from dlexp.data.random_streams import make_generator


class Standard:
    """Cut each image at a random place out of itself with a border, then mirror half of them.

    output[b, c, y, x] = padded[b, c, y + dy[b], x' + dx[b]], where x' = W - 1 - x if flip[b], else x

    Args:
        flip: `random`: mirror left and right with probability 0.5, for each image and epoch anew. `alternating`: so in the
            first epoch, then mirror an image if and only if the epoch before did not, so that two epochs in a row show both
            its sides. `none`: never.
        padding: Width of the border in pixels; dy and dx are uniform on 0 … 2 padding. 0: no crop.
        padding_mode: What the border holds: `zeros`, or `reflect`, the image mirrored at its outermost rows and columns.

    Shape:
        inputs [B, C, H, W] of any dtype, raw pixels (before scaling); parameters [B, 3]: flip, dy, dx. The images of the
            output have the inputs' shape and type; targets are returned unchanged.

    Raises:
        ConfigError: If there is nothing to do, or a crop could miss the image.

    Source: He et al. 2015, arXiv:1512.03385, section 4.2; alternating: Jordan 2024, arXiv:2404.00498, section 3.6.
    """

    def __init__(
        self, *, flip: Literal["random", "alternating", "none"], padding: int, padding_mode: Literal["zeros", "reflect"]
    ) -> None:
        if flip == "none" and padding == 0:
            raise ConfigError("augment: flip=none and padding=0 change nothing. Choose augment=none instead.")
        if padding < 0:
            raise ConfigError(f"augment.padding: expected at least 0, got {padding}.")
        self.flip, self.padding, self.padding_mode = flip, padding, padding_mode

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Int16[Tensor, "num_examples 3"]:
        """Columns flip, dy, dx; the flips are the same for every padding, and the crops for every kind of flip."""
        draw = make_generator(seed, "augmentation", epoch)
        mirrored = _coins(num_examples, draw)
        if self.flip == "alternating":
            mirrored = (_coins(num_examples, make_generator(seed, "augmentation", 1)) + epoch - 1) % 2
        elif self.flip == "none":
            mirrored.zero_()
        offsets = torch.randint(0, 2 * self.padding + 1, (num_examples, 2), generator=draw, dtype=torch.int16)
        return torch.cat([mirrored, offsets], dim=1)

    def __call__(
        self,
        inputs: Shaped[Tensor, "batch channels height width"],
        targets: Shaped[Tensor, " batch *classes"],
        parameters: Int16[Tensor, "batch 3"],
    ) -> tuple[Shaped[Tensor, "batch channels height width"], Shaped[Tensor, " batch *classes"]]:
        """One gather over flattened pixels: on a CPU 5 times faster than an advanced index over [B, C, H, W]."""
        height, width = inputs.shape[2:]
        if self.padding >= min(height, width):
            raise ConfigError(
                f"augment.padding: expected less than the images' shorter side, {min(height, width)}, got {self.padding}."
            )
        mirrored, dy, dx = parameters.long()[:, :, None].unbind(1)  # [B, 1] each
        columns = torch.arange(width, device=inputs.device)
        columns = torch.where(mirrored == 1, width - 1 - columns, columns) + dx  # [B, W], in the padded image
        rows = torch.arange(height, device=inputs.device) + dy  # [B, H]
        if self.padding_mode == "reflect":
            rows, columns = _reflected(rows - self.padding, height), _reflected(columns - self.padding, width)
        else:
            inputs, width = F.pad(inputs, [self.padding] * 4), width + 2 * self.padding
        pixels = rows[:, :, None] * width + columns[:, None, :]  # [B, H, W]
        source = inputs.flatten(2)
        images = source.gather(2, pixels.flatten(1)[:, None, :].expand(-1, source.shape[1], -1))
        return images.unflatten(2, pixels.shape[1:]), targets


def _coins(num_examples: int, draw: torch.Generator) -> Int16[Tensor, "num_examples 1"]:
    return torch.randint(0, 2, (num_examples, 1), generator=draw, dtype=torch.int16)


def _reflected(places: Int64[Tensor, "batch length"], size: int) -> Int64[Tensor, "batch length"]:
    """Where a place outside 0 … size - 1, by less than size, falls inside: -1 is 1, and size is size - 2."""
    return size - 1 - (size - 1 - places.abs()).abs()
