"""Targets of a classification as the probability of each class, some of it spread over all classes."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import Targets


def smooth_targets(targets: Targets, num_classes: int, share: float) -> Float[Tensor, "batch classes"]:
    """The probability of each class, `share` of which is spread evenly over all classes.

    Args:
        targets: Labels, int64 [B], or probabilities, float32 [B, K].
        num_classes: K.
        share: From 0 to 1.

    Returns:
        float32 [B, K].

    Source: Szegedy et al. 2016, arXiv:1512.00567, section 7.
    """
    probabilities = targets if targets.is_floating_point() else F.one_hot(targets, num_classes).float()
    return probabilities * (1 - share) + share / num_classes if share else probabilities
