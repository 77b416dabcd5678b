"""Small convolutional net for fast CIFAR-10 runs: `model=speednet`."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn


class SpeedNet(nn.Module):
    """A 2x2 convolution, groups of two 3x3 convolutions and a pool, a pool over all positions, and a linear head.

    The first convolution, `whitening`, has two filters for each number of a 2x2 patch: `init=dirac_whitening` fills them with
    the whitening of the patches and its negative. Only this layer and the norms have a bias.

    Args:
        input_shape: Shape of one image, (C, H, W).
        num_outputs: Number of outputs K.
        activation: Factory, called for each activation.
        norm: Factory, called with the number of channels.
        widths: Channels of each group.
        head_scale: Factor of the outputs.
        train_first: Whether the weight of the first convolution is trained; its bias is.
        train_norm_weight: Whether the weights of norms that have them are trained; their biases are.

    Shape:
        inputs [B, C, H, W], outputs [B, K].

    Raises:
        ValueError: If the inputs are not images, or the images are too small for the pools.

    Source: Jordan 2024, arXiv:2404.00498, section 3 and appendix A.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        activation: Callable[[], nn.Module],
        norm: Callable[[int], nn.Module],
        widths: Sequence[int],
        head_scale: float,
        train_first: bool,
        train_norm_weight: bool,
    ) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ValueError(f"model=speednet needs images [C, H, W]; dataset gives {list(input_shape)}: use model=mlp.")
        channels, *size = input_shape
        smallest = 2 ** len(widths) + 1
        if min(size) < smallest:
            raise ValueError(
                f"model.widths={list(widths)} puts {len(widths)} 2x2 pools on images of {input_shape[1:]} pixels, and needs "
                f"{smallest} a side: use fewer widths or larger images."
            )
        self.whitening = nn.Conv2d(channels, 2 * 4 * channels, kernel_size=2)
        self.whitening.weight.requires_grad = train_first
        self.act = activation()
        self.groups = nn.Sequential()
        channels, size = self.whitening.out_channels, [side - 1 for side in size]
        for out_channels in widths:
            layers = OrderedDict(
                conv1=nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, bias=False),
                pool=nn.MaxPool2d(2),
                norm1=norm(out_channels),
                act1=activation(),
                conv2=nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
                norm2=norm(out_channels),
                act2=activation(),
            )
            self.groups.append(nn.Sequential(layers))
            channels, size = out_channels, [side // 2 for side in size]
        self.pool = nn.MaxPool2d(tuple(size))  # AdaptiveMaxPool2d has no deterministic gradient on a GPU
        self.head = nn.Linear(channels, num_outputs, bias=False)
        self.head_scale = head_scale
        if not train_norm_weight:
            for group in self.groups:
                for layer in (group.norm1, group.norm2):
                    if isinstance(weight := getattr(layer, "weight", None), nn.Parameter):
                        weight.requires_grad = False

    def forward(self, inputs: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        """Return logits, or predicted numbers."""
        hidden = self.groups(self.act(self.whitening(inputs)))
        return self.head(self.pool(hidden).flatten(start_dim=1)) * self.head_scale
