"""Splits examples in two: to get a validation split, or a test split for a data set that comes without one."""

import math

import torch
from torch import Tensor

from dlexp.config.values import make_printable
from dlexp.contract import ConfigError, Source, Split


def split_indices(targets: Tensor, classes: tuple[str, ...], fraction: float, *, seed: int, key: str) -> tuple[Tensor, Tensor]:
    """Draw the indices of a held-out share of the examples, stratified by class (not stratified for a regression).

    Args:
        targets: Targets of all examples.
        classes: Names of the classes; empty for a regression.
        fraction: Share to hold out, in (0, 1); the number of examples is rounded up.
        seed: `random_state` of scikit-learn.
        key: Config path of `fraction`, for messages.

    Returns:
        Indices of the remaining and of the held-out examples.

    Raises:
        ConfigError: If a class would have no example on one side.
    """
    from sklearn.model_selection import train_test_split

    num_examples = len(targets)
    num_held_out = math.ceil(fraction * num_examples)
    smaller_side = min(num_held_out, num_examples - num_held_out)
    counts = torch.bincount(targets, minlength=len(classes)) if classes else torch.tensor([num_examples])
    if smaller_side < len(counts) or counts.min() < 2:
        raise ConfigError(_describe_too_few(key, fraction, num_examples, classes, counts))
    indices = train_test_split(
        torch.arange(num_examples).numpy(),
        test_size=num_held_out,
        random_state=seed,
        stratify=targets.numpy() if classes else None,
    )
    remaining, held_out = (torch.from_numpy(part) for part in indices)
    for side in (remaining, held_out):
        if classes and torch.bincount(targets[side], minlength=len(classes)).min() == 0:
            raise ConfigError(_describe_too_few(key, fraction, num_examples, classes, counts))
    return remaining, held_out


def hold_out_test(examples: Split, classes: tuple[str, ...], *, test_fraction: float, data_seed: int) -> Source:
    """Hold out a stratified share of a data set as its test split."""
    remaining, held_out = split_indices(examples.targets, classes, test_fraction, seed=data_seed, key="dataset.test_fraction")
    return Source(train=take(examples, remaining), test=take(examples, held_out), classes=classes)


def take(split: Split, indices: Tensor) -> Split:
    """Copy the examples at these indices."""
    return Split(split.inputs[indices], split.targets[indices])


def _describe_too_few(key: str, fraction: float, num_examples: int, classes: tuple[str, ...], counts: Tensor) -> str:
    if not classes:
        return f"{key}: expected a share that leaves examples on both sides, got {fraction:g} of {num_examples}."
    rarest = int(counts.argmin())
    name = make_printable(classes[rarest])
    return (
        f"{key}: expected a share that leaves each of the {len(classes)} classes an example on both sides, "
        f"got {fraction:g} of {num_examples} examples; the rarest class, {name}, has {int(counts[rarest])}."
    )
