"""Plain convolutional net: `model=convnet`."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn


class ConvNet(nn.Module):
    """Blocks of convolution, norm and activation in any order, then a linear head.

    A block may end with a pool; its last layer is dropout, unless that comes before the activation. Convolutions keep the size
    of the image. They have a bias with every norm, so that they are the same in all runs of an ablation.

    Args:
        input_shape: Shape of one image, (C, H, W).
        num_outputs: Number of outputs K.
        activation: Factory, called once per block.
        norm: Factory, called with the number of channels of its input.
        dropout: Factory, called once per block.
        dropout_order: Whether dropout acts just `before` the activation, or `after` it, at the end of the block.
        depth: Number of blocks, at least 1.
        width: Channels of each block.
        widths: List with the channels of each block; replaces depth and width.
        kernel_size: Side of the convolutions; odd.
        pool_every: Put a 2x2 max pool after every `pool_every`-th block; 0: no pool.
        head: Input of the linear layer: `average`, each channel's average over positions, or `flatten`, all positions.
        order: Order of (c)onvolution, (n)orm and (a)ctivation in a block.

    Shape:
        inputs [B, C, H, W], outputs [B, K].

    Raises:
        ValueError: If the inputs are not images, there is no block, or the images are too small for the pools.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        activation: Callable[[], nn.Module],
        norm: Callable[[int], nn.Module],
        dropout: Callable[[], nn.Module],
        dropout_order: Literal["before", "after"],
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
            norm_channels = channels if order.index("n") < order.index("c") else out_channels
            layers = {
                "c": ("conv", nn.Conv2d(channels, out_channels, kernel_size, padding=kernel_size // 2)),
                "n": ("norm", norm(norm_channels)),
                "a": ("act", activation()),
                "d": ("dropout", dropout()),
            }
            block = OrderedDict(layers[letter] for letter in order.replace("a", "da" if dropout_order == "before" else "a"))
            if pool_every and number % pool_every == 0:
                if min(size) < 2:
                    raise ValueError(
                        f"model.pool_every={pool_every} puts a 2x2 pool after block {number}, where images of "
                        f"{input_shape[1:]} pixels have shrunk to {tuple(size)}: use fewer blocks or a larger model.pool_every."
                    )
                block["pool"] = nn.MaxPool2d(2)
                size = [side // 2 for side in size]
            block.setdefault(*layers["d"])
            self.blocks.append(nn.Sequential(block))
            channels = out_channels
        self.average = nn.AdaptiveAvgPool2d(1) if head == "average" else nn.Identity()
        self.head = nn.Linear(channels if head == "average" else channels * size[0] * size[1], num_outputs)

    def forward(self, inputs: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        """Return logits, or predicted numbers."""
        return self.head(self.average(self.blocks(inputs)).flatten(start_dim=1))
