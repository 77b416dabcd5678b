"""Residual nets: `model=resnet18` and `model=resnet50`."""

from collections.abc import Callable
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import resnet as torchvision_resnet
from torchvision.ops import StochasticDepth

Images = Float[Tensor, "batch _ _ _"]


class BasicBlock(torchvision_resnet.BasicBlock):
    """Block of two convolutions, with a separate module for each activation."""

    num_activations = 2

    def forward(self, inputs: Images) -> Images:
        """Add the residual to the inputs, or to their projection."""
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        residual = self.act1(self.bn1(self.conv1(inputs)))
        return self.act2(self.drop(self.bn2(self.conv2(residual))) + shortcut)


class Bottleneck(torchvision_resnet.Bottleneck):
    """Block of three convolutions, with a separate module for each activation."""

    num_activations = 3

    def forward(self, inputs: Images) -> Images:
        """Add the residual to the inputs, or to their projection."""
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        residual = self.act1(self.bn1(self.conv1(inputs)))
        residual = self.act2(self.bn2(self.conv2(residual)))
        return self.act3(self.drop(self.bn3(self.conv3(residual))) + shortcut)


def _build(
    block: type[BasicBlock] | type[Bottleneck],
    num_blocks: tuple[int, ...],
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    activation: Callable[[], nn.Module],
    norm: Callable[[int], nn.Module],
    dropout: Callable[[], nn.Module],
    zero_init_residual: bool,
    stochastic_depth: float,
    small_stem_below: int,
) -> nn.Module:
    """Build torchvision's ResNet with any norm, activation and number of channels. The names in the state dict are the same.

    Args:
        block: Class of the residual blocks.
        num_blocks: Number of blocks in each of the four stages.
        input_shape: Shape of one image, (C, H, W).
        num_outputs: Number of outputs K.
        activation: Factory, called for each activation.
        norm: Factory, called with the number of channels.
        dropout: Factory, called once, for the input of the last linear layer.
        zero_init_residual: Whether the last norm of each residual is 0 at the start, so that each block is the identity.
        stochastic_depth: Probability with which training leaves out the residual of the last block, for each example; it grows
            in proportion to the number of the block. A residual that is kept is divided by the probability of that.
        small_stem_below: For images with fewer pixels per side, the first layers are a 3x3 convolution with stride 1, in place
            of a 7x7 convolution with stride 2 and a pool.

    Shape:
        inputs [B, C, H, W], outputs [B, K].

    Raises:
        ValueError: If the inputs are not images, or the norm has no weight for `zero_init_residual`.

    Source: He et al. 2016, arXiv:1512.03385; the small stem is that of its section 4.2. Stochastic depth: Huang et al. 2016,
    arXiv:1603.09382. Differs: each example of a batch leaves out its own residuals; what is kept is scaled in training.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"model=resnet18 and resnet50 need images [C, H, W]; dataset gives {list(input_shape)}: use model=mlp."
        )
    if zero_init_residual and not hasattr(norm(64), "weight"):
        raise ValueError(
            "model.zero_init_residual=true sets the weight of a norm, and this norm has none: use another norm, or false."
        )
    net = torchvision_resnet.ResNet(block, num_blocks, num_outputs, zero_init_residual, norm_layer=norm)
    channels, height, width = input_shape
    if max(height, width) < small_stem_below:
        net.conv1 = nn.Conv2d(channels, 64, kernel_size=3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    else:
        net.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    net.relu = activation()
    for place, module in enumerate([module for module in net.modules() if isinstance(module, block)], start=1):
        del module.relu  # which torchvision uses for all activations of a block
        module.drop = StochasticDepth(stochastic_depth * place / sum(num_blocks), "row")
        for number in range(1, block.num_activations + 1):
            setattr(module, f"act{number}", activation())
    net.avgpool = nn.Sequential(net.avgpool, dropout())
    return net


resnet18 = partial(_build, BasicBlock, (2, 2, 2, 2))
resnet50 = partial(_build, Bottleneck, (3, 4, 6, 3))
