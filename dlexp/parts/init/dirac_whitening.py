"""A first convolution that whitens patches of the training images, before partial identities: `init=dirac_whitening`."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dlexp.contract import ConfigError, Examples
from dlexp.parts.init import fill_dirac


def dirac_whitening(model: nn.Module, examples: Examples, *, num_examples: int, eps: float) -> None:
    """Fill `model.whitening` from patches of training images, and every other convolution as `init=dirac` does.

    Its first filters are the patches' principal axes, each divided by the standard deviation along it, so that they see
    uncorrelated numbers of variance 1; the next ones are their negatives. The bias takes the mean patch out of what they see.

    Args:
        model: With a convolution `whitening` of twice as many outputs as a patch has numbers.
        examples: Training images, as the model sees them.
        num_examples: How many to look at; fewer where there are fewer.
        eps: Added to the variance along each axis, in units of the scaled pixels squared.

    Raises:
        ConfigError: If the model has no such convolution.

    Source: Jordan 2024, arXiv:2404.00498, section 3.2. Differs: the patches' mean is taken out, whatever the scaling.
    """
    layer = getattr(model, "whitening", None)
    if not isinstance(layer, nn.Conv2d):
        raise ConfigError("init=dirac_whitening needs a model with a whitening layer: use model=speednet, or init=dirac.")
    fill_dirac(model)
    mean, covariance = _moments(examples(num_examples), layer.weight.shape[2:])
    variances, axes = torch.linalg.eigh(covariance)
    # An axis has no direction of its own: its largest component is made positive.
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    filters = (axes / (variances.clamp_min(0) + eps).sqrt()).T
    filters = torch.cat([filters, -filters])
    with torch.no_grad():
        layer.weight.copy_(filters.view_as(layer.weight))
        if layer.bias is not None:
            layer.bias.copy_(-filters @ mean)


def _moments(
    images: Float[Tensor, "batch channels height width"], size: tuple[int, ...]
) -> tuple[Float[Tensor, " numbers"], Float[Tensor, "numbers numbers"]]:
    """Mean and covariance of all patches of a size, in float64 and over a few images at a time."""
    total, products, count = torch.zeros(()), torch.zeros(()), 0
    for some in images.split(256):
        patches = F.unfold(some.double(), size).transpose(1, 2).flatten(0, 1)  # [B positions, C size size]
        total, products, count = total + patches.sum(0), products + patches.T @ patches, count + len(patches)
    mean = total / count
    return mean, products / count - mean[:, None] * mean
