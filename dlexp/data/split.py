"""Splitting examples in two: the test share of a dataset that has none of its own, and the validation share."""

import math

import torch
from torch import Tensor

from dlexp.contract import ConfigError, Source, Split


def split_indices(targets: Tensor, classes: tuple[str, ...], fraction: float, *, seed: int, key: str) -> tuple[Tensor, Tensor]:
    """Which examples to keep and which to hold out; stratified by class, plain for a regression.

    Args:
        targets: Of all examples.
        classes: Their names; empty for a regression.
        fraction: Share to hold out, in (0, 1); the number of examples is rounded up.
        seed: scikit-learn's `random_state`.
        key: Config path of `fraction`, for messages.

    Raises:
        ConfigError: If a class would have no example on one of the two sides.
    """
    from sklearn.model_selection import train_test_split

    num_examples = len(targets)
    num_held_out = math.ceil(fraction * num_examples)
    smaller_side = min(num_held_out, num_examples - num_held_out)
    counts = torch.bincount(targets, minlength=len(classes)) if classes else torch.tensor([num_examples])
    if smaller_side < len(counts) or counts.min() < 2:
        raise ConfigError(_too_few(key, fraction, num_examples, classes, counts))
    indices = train_test_split(
        torch.arange(num_examples).numpy(),
        test_size=num_held_out,
        random_state=seed,
        stratify=targets.numpy() if classes else None,
    )
    kept, held_out = (torch.from_numpy(part) for part in indices)
    for side in (kept, held_out):
        if classes and torch.bincount(targets[side], minlength=len(classes)).min() == 0:
            raise ConfigError(_too_few(key, fraction, num_examples, classes, counts))
    return kept, held_out


def hold_out_test(examples: Split, classes: tuple[str, ...], *, test_fraction: float, data_seed: int) -> Source:
    """Source of a dataset that comes without a test split: a stratified share becomes one."""
    kept, held_out = split_indices(examples.targets, classes, test_fraction, seed=data_seed, key="dataset.test_fraction")
    return Source(train=take(examples, kept), test=take(examples, held_out), classes=classes)


def take(split: Split, indices: Tensor) -> Split:
    """The examples at these indices, copied."""
    return Split(split.inputs[indices], split.targets[indices])


def _too_few(key: str, fraction: float, num_examples: int, classes: tuple[str, ...], counts: Tensor) -> str:
    if not classes:
        return f"{key}: expected a share that leaves examples on both sides, got {fraction:g} of {num_examples}."
    rarest = int(counts.argmin())
    return (
        f"{key}: expected a share that leaves each of the {len(classes)} classes an example on both sides, "
        f"got {fraction:g} of {num_examples} examples; the rarest class, {classes[rarest]}, has {int(counts[rarest])}."
    )
