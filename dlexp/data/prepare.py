"""From what a dataset part has read to the data of one run: subset, validation split, scaling."""

from typing import Literal

import torch
from torch import Tensor

from dlexp.contract import ConfigError, Dataset, Source, Split
from dlexp.data.scale import Scale, fit_scale
from dlexp.data.split import split_indices, take


def prepare(
    source: Source,
    *,
    per_class: int | None,
    val_fraction: float,
    scale: Scale,
    scale_on: Literal["train", "all"],
    data_seed: int,
) -> Dataset:
    """The data of one run; the source is left as it is, and shared where nothing is cut from it.

    Args:
        source: What the dataset part has read.
        per_class: Training examples of each class to keep, before the validation split; None: all.
        val_fraction: Share of the training examples to hold out, stratified by class; 0: none.
        scale: How to scale the inputs.
        scale_on: Fit it on what remains to train on, or on all three splits (a leak, which published protocols have).
        data_seed: Drives subset and split.

    Raises:
        ConfigError: If a class is missing from a split or has too few examples, or if a number is not finite.
    """
    _check_source(source)
    classes, targets = source.classes, source.train.targets
    kept = torch.arange(len(targets))
    if per_class is not None:
        kept = _balanced_subset(targets, classes, per_class, data_seed)
    val = None
    if val_fraction > 0:
        remaining, held_out = split_indices(targets[kept], classes, val_fraction, seed=data_seed, key="val_fraction")
        val = take(source.train, kept[held_out])
        kept = kept[remaining]
    train = source.train if len(kept) == len(targets) else take(source.train, kept)
    fitted_on = [train, val, source.test] if scale_on == "all" else [train]
    inputs = [split.inputs for split in fitted_on if split is not None]
    shift, factor = fit_scale(inputs[0] if len(inputs) == 1 else torch.cat(inputs), scale)
    return Dataset(train=train, val=val, test=source.test, classes=classes, shift=shift, factor=factor)


def _balanced_subset(targets: Tensor, classes: tuple[str, ...], per_class: int, data_seed: int) -> Tensor:
    """Indices of `per_class` random examples of each class; a smaller subset is part of every larger one."""
    if not classes:
        raise ConfigError(f"dataset.per_class: expected null, as a regression has no classes, got {per_class}.")
    counts = torch.bincount(targets, minlength=len(classes))
    rarest = int(counts.argmin())
    if per_class > counts[rarest]:
        raise ConfigError(
            f"dataset.per_class: expected at most {int(counts[rarest])}, "
            f"the number of training examples of class {classes[rarest]}, got {per_class}."
        )
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(data_seed))
    chosen = [order[targets[order] == label][:per_class] for label in range(len(classes))]
    return torch.cat(chosen).sort().values


def _check_source(source: Source) -> None:
    problems = [*_problems(source.train, "training", source.classes), *_problems(source.test, "test", source.classes)]
    if problems:
        raise ConfigError(*problems)


def _problems(split: Split, name: str, classes: tuple[str, ...]) -> list[str]:
    problems = []
    for field, values in zip(("inputs", "targets"), split, strict=True):
        bad = int((~values.isfinite()).sum()) if values.is_floating_point() else 0
        if bad:
            problems.append(f"dataset: expected finite numbers, got {bad} NaN or infinite {field} in the {name} split.")
    counts = torch.bincount(split.targets, minlength=len(classes)) if classes else torch.ones(1)
    missing = [classes[label] for label in torch.nonzero(counts == 0).flatten().tolist()]
    if missing:
        problems.append(
            f"dataset: expected every class in the {name} split, got none of {', '.join(missing)}. Add some, or enlarge it."
        )
    return problems
