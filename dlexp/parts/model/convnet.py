"""Plain convolutional net: `model=convnet`."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn


class ConvNet(nn.Module):
    """Blocks of convolution, norm and activation in any order, then a linear head.

    The three are followed by the pool, where there is one, and dropout, which so acts on what the next block sees. Convolutions
    keep the size of the image, and have a bias whatever the norm, so that they are the same in all arms of an ablation.

    Args:
        input_shape: Shape of one image, (C, H, W).
        num_outputs: Number of outputs K.
        activation: Factory, called once a block.
        norm: Factory, called with the number of channels at its place.
        dropout: Factory, called once a block.
        depth: Number of blocks, at least 1.
        width: Channels of each block.
        widths: Channels of each block, one by one; takes the place of depth and width.
        kernel_size: Side of the convolutions; odd.
        pool_every: A 2x2 max pool after each block whose number, from 1, this divides; 0: no pool.
        head: What the linear layer sees: each channel's average over positions, or every position.
        order: The block's order of (c)onvolution, (n)orm and (a)ctivation.

    Shape:
        inputs [B, C, H, W], outputs [B, K].

    Raises:
        ValueError: If there is no image, no block, or too small an image for so many pools.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        activation: Callable[[], nn.Module],
        norm: Callable[[int], nn.Module],
        dropout: Callable[[], nn.Module],
        depth: int,
        width: int,
        widths: Sequence[int] | None,
        kernel_size: int,
        pool_every: int,
        head: Literal["average", "flatten"],
        order: str,
    ) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ValueError(f"model=convnet needs images [C, H, W]; dataset gives {list(input_shape)}: use model=mlp.")
        widths = [width] * depth if widths is None else widths
        if not widths:
            raise ValueError("model=convnet needs at least one block, got none: use depth=1 or more, or model=mlp.")
        channels, *size = input_shape
        self.blocks = nn.Sequential()
        for number, out_channels in enumerate(widths, start=1):
            block = _block(channels, out_channels, kernel_size, order, activation, norm)
            if pool_every and number % pool_every == 0:
                if min(size) < 2:
                    raise ValueError(
                        f"model.pool_every={pool_every} puts a 2x2 pool after block {number}, where images of "
                        f"{input_shape[1:]} pixels have shrunk to {tuple(size)}: use fewer blocks or a larger model.pool_every."
                    )
                block["pool"] = nn.MaxPool2d(2)
                size = [side // 2 for side in size]
            block["dropout"] = dropout()
            self.blocks.append(nn.Sequential(block))
            channels = out_channels
        self.average = nn.AdaptiveAvgPool2d(1) if head == "average" else nn.Identity()
        self.head = nn.Linear(channels if head == "average" else channels * size[0] * size[1], num_outputs)

    def forward(self, inputs: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        """Logits, or predicted numbers."""
        return self.head(self.average(self.blocks(inputs)).flatten(start_dim=1))


def _block(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    order: str,
    activation: Callable[[], nn.Module],
    norm: Callable[[int], nn.Module],
) -> OrderedDict[str, nn.Module]:
    norm_channels = in_channels if order.index("n") < order.index("c") else out_channels
    parts = {
        "c": ("conv", nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)),
        "n": ("norm", norm(norm_channels)),
        "a": ("act", activation()),
    }
    return OrderedDict(parts[letter] for letter in order)
