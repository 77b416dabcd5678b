"""The augmentation of a run, and whether it fits data and batches."""

from collections.abc import Callable, Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from dlexp.config.options import traits
from dlexp.contract import Augment, Dataset, Targets


class OneHot:
    """An augmentation that mixes examples, with labels as the probability of each class: see `contract.Augment`.

    Args:
        augment: The augmentation.
        num_classes: Number of classes K.
    """

    def __init__(self, augment: Augment, num_classes: int) -> None:
        self.augment, self.num_classes = augment, num_classes

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Tensor:
        """Those of the augmentation."""
        return self.augment.parameters(num_examples, seed, epoch)

    def __call__(self, inputs: Tensor, targets: Targets, parameters: Tensor) -> tuple[Tensor, Targets]:
        """Apply the augmentation to inputs and probabilities, float32 [B, K]."""
        return self.augment(inputs, F.one_hot(targets, self.num_classes).float(), parameters)


def mixes_targets(choice: str, dataset: Dataset) -> bool:
    """Whether the augmentation takes and returns the probability of each class."""
    return dataset.task == "classification" and "soft targets" in traits("augment", choice).gives


def make_augment(make: Callable[[], Augment], dataset: Dataset, *, soft_targets: bool) -> Augment:
    """Make the augmentation of a run."""
    return OneHot(make(), dataset.num_outputs) if soft_targets else make()


def check_augment(config: Mapping[str, Any], choice: str, make: Callable[[], Augment], dataset: Dataset) -> list[str]:
    """Settings of an augmentation that have no effect on these batches, one message each.

    Raises:
        ConfigError: Of the augmentation, if it cannot change inputs of this shape.
    """
    if choice == "none":
        return []
    augment = make_augment(make, dataset, soft_targets=mixes_targets(choice, dataset))
    inputs, targets = dataset.train
    augment(inputs[:1], targets[:1], augment.parameters(1, seed=0, epoch=1))  # refuses images that are too small
    if "soft targets" not in traits("augment", choice).gives:
        return []
    problems, table = [], dataset.table
    if config["batch_size"] == 1:
        problems.append(f"augment={choice} mixes the examples of a batch, and batch_size=1 leaves none to mix with: use more.")
    if table and not table.one_hot and any(column.categories for column in table.columns):
        problems.append(
            f"augment={choice} mixes inputs, and between the numbers of two categories there is none: use "
            "dataset.categories=one_hot."
        )
    return problems
