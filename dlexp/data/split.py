"""Splits examples in two: to get a validation split, or a test split for a data set that comes without one."""

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from dlexp.config.values import make_printable
from dlexp.contract import ConfigError, Source, Split


def split_indices(
    targets: Tensor, classes: tuple[str, ...], fraction: float, *, seed: int, key: str, groups: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Draw the indices of a held-out share of the examples, stratified by class (not stratified for a regression).

    Args:
        targets: Targets of all examples.
        classes: Names of the classes; empty for a regression.
        fraction: Share to hold out, in (0, 1); the number of examples is rounded up.
        seed: `random_state` of scikit-learn.
        key: Config path of `fraction`, for messages.
        groups: Number of the group of each example, int64 [N]: whole groups are held out, so that the share is met
            approximately. None: each example is drawn by itself.

    Returns:
        Indices of the remaining and of the held-out examples.

    Raises:
        ConfigError: If a class would have no example on one side, or if there is only one group.
    """
    from sklearn.model_selection import train_test_split

    num_examples = len(targets)
    num_held_out = math.ceil(fraction * num_examples)
    smaller_side = min(num_held_out, num_examples - num_held_out)
    counts = torch.bincount(targets, minlength=len(classes)) if classes else torch.tensor([num_examples])
    if smaller_side < len(counts) or counts.min() < 2:
        raise ConfigError(_describe_too_few(key, fraction, num_examples, classes, counts))
    if groups is None:
        indices = train_test_split(
            torch.arange(num_examples).numpy(),
            test_size=num_held_out,
            random_state=seed,
            stratify=targets.numpy() if classes else None,
        )
    else:
        indices = _split_groups(targets, classes, groups, fraction, seed, key)
    remaining, held_out = (torch.from_numpy(part) for part in indices)
    for side in (remaining, held_out):
        if classes and torch.bincount(targets[side], minlength=len(classes)).min() == 0:
            raise ConfigError(_describe_too_few(key, fraction, num_examples, classes, counts))
    return remaining, held_out


def _split_groups(
    targets: Tensor, classes: tuple[str, ...], groups: Tensor, fraction: float, seed: int, key: str
) -> tuple[Any, Any]:
    """Draw whole groups; returns the indices of the remaining and of the held-out examples.

    Of a classification, one of n folds is the smaller side, where 1 / n is nearest to its share.
    """
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    num_groups, smaller = len(groups.unique()), min(fraction, 1 - fraction)
    num_folds = max(2, round(1 / smaller))
    if num_groups < 2:
        raise ConfigError(f"{key}: expected two groups or more, got one.")
    if classes and num_groups < num_folds:
        bound = f"at least {1 / num_groups:.3g}" if fraction == smaller else f"at most {1 - 1 / num_groups:.3g}"
        raise ConfigError(f"{key}: expected a share of {bound}, as there are {num_groups} groups, got {fraction:g}.")
    arrays = (torch.arange(len(targets)).numpy(), targets.numpy(), groups.numpy())
    if not classes:
        return next(GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed).split(*arrays))
    with warnings.catch_warnings():  # of classes with fewer examples than folds
        warnings.simplefilter("ignore", UserWarning)
        try:
            folds = list(StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed).split(*arrays))
        except ValueError as error:  # every class has fewer examples than there are folds
            raise ConfigError(f"{key}: expected a share of at least one example of a class, got {fraction:g}.") from error
    both = [fold for fold in folds if all(len(targets[side].unique()) == len(classes) for side in fold)]
    larger, fold = (both or folds)[0]  # that no fold has every class on both sides is refused by the caller
    return (larger, fold) if fraction == smaller else (fold, larger)


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
