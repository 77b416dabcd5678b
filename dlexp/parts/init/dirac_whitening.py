"""First convolution: whitening of image patches; the others: partial identities. `init=dirac_whitening`."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from dlexp.contract import ConfigError, Examples
from dlexp.parts.init.layers import fill_dirac


def dirac_whitening(model: nn.Module, examples: Examples, *, num_examples: int, eps: float) -> None:
    """Compute the filters of `model.whitening` from patches of training images. Fill the other convolutions as `init=dirac`.

    The first half of the filters are the principal axes of the patches, each divided by the standard deviation along it: their
    outputs are uncorrelated and have variance 1. The second half are the negatives. The bias subtracts the mean patch.

    Args:
        model: A model with a convolution `whitening` that has twice as many outputs as a patch has numbers.
        examples: Returns scaled training images.
        num_examples: Number of images to use; all where there are fewer.
        eps: Added to the variance along each axis, in units of the scaled pixels squared.

    Raises:
        ConfigError: If the model has no such convolution.

    Source: Jordan 2024, arXiv:2404.00498, section 3.2. Differs: the mean patch is subtracted with any scaling.
    """
    layer = getattr(model, "whitening", None)
    if not isinstance(layer, nn.Conv2d):
        raise ConfigError("init=dirac_whitening needs a model with a whitening layer: use model=speednet, or init=dirac.")
    fill_dirac(model)
    mean, covariance = _moments(examples(num_examples), layer.weight.shape[2:])
    variances, axes = torch.linalg.eigh(covariance)
    # The sign of an axis is arbitrary: make its largest component positive.
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
    """Compute mean and covariance of all patches of a size, in float64, a few images at a time."""
    total, products, count = torch.zeros(()), torch.zeros(()), 0
    for batch in images.split(256):
        patches = F.unfold(batch.double(), size).transpose(1, 2).flatten(0, 1)  # [B positions, C size size]
        total, products, count = total + patches.sum(0), products + patches.T @ patches, count + len(patches)
    mean = total / count
    return mean, products / count - mean[:, None] * mean
