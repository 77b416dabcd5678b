"""Targets of a classification as the probability of each class, some of it spread over all classes."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import Targets


def smooth_targets(targets: Targets, outputs: Float[Tensor, "batch classes"], share: float) -> Float[Tensor, "batch classes"]:
    """The probability of each class, `share` of which is spread evenly over all classes.

    Args:
        targets: Labels, int64 [B], or probabilities, float32 [B, K].
        outputs: Those of the model, whose shape and dtype the result has.
        share: From 0 to 1.

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """
    num_classes = outputs.shape[1]
    probabilities = (targets if targets.is_floating_point() else F.one_hot(targets, num_classes)).to(outputs.dtype)
    return probabilities * (1 - share) + share / num_classes if share else probabilities
