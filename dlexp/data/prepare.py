"""Turns the source of a dataset into the data of one run: subset, validation split, scaling."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from dlexp.config.options import CONF, read
from dlexp.config.values import format_value, join_first, make_printable
from dlexp.contract import ConfigError, Dataset, Source, Split
from dlexp.data.preprocessing import name_inputs
from dlexp.data.scale import Scale, fit_scale
from dlexp.data.split import split_indices, take


def prepare(
    source: Source,
    *,
    per_class: int | None,
    imbalance: float | Sequence[float] | None = None,
    val_fraction: float,
    scale: Scale,
    scale_on: Literal["train", "all"],
    data_seed: int,
) -> Dataset:
    """Make the data of one run. The source is not changed; tensors that need no change are shared with it.

    Args:
        source: The whole data set.
        per_class: Number of training examples of each class to use, before the validation split; None: all.
        imbalance: How the classes are thinned out, before the validation split. A factor F: class k of K keeps the share
            F ** (-k / (K - 1)) of its examples, all of the first and 1 / F of the last. A list: the share of each. At least one
            example of a class remains. None: all. Source of the factor: Cui et al. 2019, arXiv:1901.05555, section 5.1.
        val_fraction: Share of the training examples to hold out, stratified by class; 0: none. Groups stay together. Where the
            data set has a validation split of its own, the default means that one, and another share is refused.
        scale: How to scale the inputs.
        scale_on: Whether the scaling is fitted on the remaining training examples or on all three splits (a leak that some
            published protocols have).
        data_seed: Seed of subset and split.

    Raises:
        ConfigError: If a class is missing from a split or has too few examples, or if a value is not finite.
    """
    if problems := [*_find_problems(source), *_check_share(source, val_fraction)]:
        raise ConfigError(*problems)
    classes, targets = source.classes, source.train.targets
    chosen = torch.arange(len(targets))
    if per_class is not None:
        chosen = _draw_subset(targets, classes, per_class, data_seed)
    if imbalance is not None:
        chosen = chosen[_thin_out(targets[chosen], classes, imbalance, data_seed)]
    chosen, val = _hold_out_validation(source, chosen, val_fraction, data_seed)
    train = source.train if len(chosen) == len(targets) else take(source.train, chosen)
    test, fill = source.test, None
    if source.impute is not None:
        fill = fit_fill(train.inputs, source.impute, name_inputs(source.table) if source.table else ())
        train, test = _fill_in(train, fill), _fill_in(test, fill)
        val = val and _fill_in(val, fill)
    fitted_on = [train, val, test] if scale_on == "all" else [train]
    inputs = [split.inputs for split in fitted_on if split is not None]
    shift, factor = fit_scale(inputs[0] if len(inputs) == 1 else torch.cat(inputs), scale)
    return Dataset(
        train=train,
        val=val,
        test=test,
        classes=classes,
        shift=shift,
        factor=factor,
        table=source.table,
        fill=fill,
        has_own_val=val is not None and source.val is not None,
    )


def _hold_out_validation(source: Source, chosen: Tensor, val_fraction: float, data_seed: int) -> tuple[Tensor, Split | None]:
    """The indices that remain of `chosen` to train on, and the validation split: the one of the source if it has one."""
    if val_fraction == 0 or source.val is not None:
        return chosen, source.val if val_fraction > 0 else None
    groups = None if source.groups is None else source.groups[chosen]
    remaining, held_out = split_indices(
        source.train.targets[chosen], source.classes, val_fraction, seed=data_seed, key="val_fraction", groups=groups
    )
    return chosen[remaining], take(source.train, chosen[held_out])


def fit_fill(inputs: Tensor, statistic: Literal["mean", "median", "most_frequent"], names: Sequence[str] = ()) -> Tensor:
    """Compute the value that takes the place of NaN in each feature, float32 [F], from inputs float32 [N, F].

    Args:
        inputs: The training part.
        statistic: Of each feature.
        names: The name of each feature, for a message; without them they are numbered from 1.

    Raises:
        ConfigError: If a feature has no value at all.
    """
    from sklearn.impute import SimpleImputer

    if bool((empty := inputs.isnan().all(0)).any()):
        found = [names[index] if names else str(index + 1) for index in empty.nonzero().flatten().tolist()]
        raise ConfigError(
            "dataset: expected a value in every feature of the training part, got none in feature "
            f"{join_first(map(make_printable, found))}."
        )
    return torch.from_numpy(SimpleImputer(strategy=statistic).fit(inputs.numpy()).statistics_).float()


def _fill_in(split: Split, fill: Tensor) -> Split:
    """A copy of a split in which `fill` takes the place of NaN."""
    return Split(torch.where(split.inputs.isnan(), fill, split.inputs), split.targets)


def _draw_subset(targets: Tensor, classes: tuple[str, ...], per_class: int, data_seed: int) -> Tensor:
    """Draw `per_class` examples of each class; returns their indices. A smaller subset is contained in every larger one."""
    if not classes:
        raise ConfigError(f"dataset.per_class: expected null, as a regression has no classes, got {per_class}.")
    counts = torch.bincount(targets, minlength=len(classes))
    rarest = int(counts.argmin())
    if per_class > counts[rarest]:
        raise ConfigError(
            f"dataset.per_class: expected at most {int(counts[rarest])}, "
            f"the number of training examples of class {make_printable(classes[rarest])}, got {per_class}."
        )
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(data_seed))
    return torch.cat([order[targets[order] == label][:per_class] for label in range(len(classes))]).sort().values


def _thin_out(targets: Tensor, classes: tuple[str, ...], imbalance: float | Sequence[float], data_seed: int) -> Tensor:
    """Draw a share of the examples of each class; returns their indices. A larger share keeps what a smaller one keeps."""
    num_classes = len(classes)
    if not classes:
        raise ConfigError(f"dataset.imbalance: expected null, as a regression has no classes, got {format_value(imbalance)}.")
    if isinstance(imbalance, Sequence):
        shares = torch.tensor(imbalance, dtype=torch.float64)
        if len(shares) != num_classes:
            raise ConfigError(f"dataset.imbalance: expected {num_classes} numbers, one for each class, got {len(shares)}.")
    else:
        shares = imbalance ** (-torch.arange(num_classes, dtype=torch.float64) / (num_classes - 1))
    counts = torch.bincount(targets, minlength=num_classes)
    numbers = (counts * shares).round().long().clamp_min(1)
    if torch.equal(numbers, counts):
        raise ConfigError(f"dataset.imbalance={format_value(imbalance)} has no effect: it keeps all examples. Leave it null.")
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(data_seed))
    return torch.cat([order[targets[order] == label][: numbers[label]] for label in range(num_classes)]).sort().values


def _check_share(source: Source, val_fraction: float) -> list[str]:
    """Describe a share to hold out that would have no effect, because the data set has a validation split of its own."""
    default = read(CONF / "config.yaml")["val_fraction"]
    if source.val is None or val_fraction in (0, default):
        return []
    return [
        f"val_fraction: expected {default:g}, the default, the validation split that the data set has, or 0 for none; "
        f"got {val_fraction:g}."
    ]


def _find_problems(source: Source) -> list[str]:
    """Describe values that are not finite and classes that are missing, in any split."""
    problems, classes = [], source.classes
    for name, split in (("training", source.train), ("validation", source.val), ("test", source.test)):
        if split is None:
            continue
        for field, values in zip(split._fields, split, strict=True):
            allowed = values.isnan() if source.impute is not None and field == "inputs" else False
            bad = int((~(values.isfinite() | allowed)).sum()) if values.is_floating_point() else 0
            if bad:
                problems.append(f"dataset: expected finite numbers, got {bad} NaN or infinite {field} in the {name} split.")
        counts = torch.bincount(split.targets, minlength=len(classes)) if classes else torch.ones(1)
        if missing := [classes[label] for label in torch.nonzero(counts == 0).flatten().tolist()]:
            names = make_printable(", ".join(missing))
            problems.append(f"dataset: expected every class in the {name} split, got none of {names}. Add some, or enlarge it.")
    return problems
