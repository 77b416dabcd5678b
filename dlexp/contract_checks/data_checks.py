"""Checks of data sets and augmentations."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from dlexp.contract import Augment, Source, Split
from dlexp.contract_checks.case import SEED, Case, unchanged_streams
from dlexp.data.opened_files import find_unlisted_files, record_opened_files

DIMENSIONS = {"images": 4, "features": 2, "series": 3}  # of the inputs of a split
NUM_IMAGES = 16
IMAGE_SHAPE = (3, 9, 8)
NUM_CLASSES = 4


def has_the_types_of_the_contract(case: Case) -> Iterator[str]:
    """A source has the dtypes and dimensions of its kind, finite values, and labels from 0 to the number of classes - 1."""
    source: Source = case.make()
    kinds = [kind for kind in case.part.traits.gives if kind in DIMENSIONS]
    kind = next((kind for kind in kinds if source.train.inputs.dim() == DIMENSIONS[kind]), kinds[0])
    for name, split in (("train", source.train), ("test", source.test)):
        allowed = split if source.impute is None else Split(split.inputs.nan_to_num(0), split.targets)  # NaN is filled in
        yield from _check_split(case.part.target, f"{name} split", allowed, kind, source.classes)
    if source.train.inputs.shape[1:] != source.test.inputs.shape[1:]:
        shapes = [list(split.inputs.shape[1:]) for split in (source.train, source.test)]
        yield f"{case.part.target} gives train examples of shape {shapes[0]} and test examples of shape {shapes[1]}."


def _check_split(target: str, name: str, split: Split, kind: str, classes: tuple[str, ...]) -> Iterator[str]:
    inputs, targets = split
    dtype = torch.uint8 if kind == "images" else torch.float32
    if inputs.dtype != dtype or inputs.dim() != DIMENSIONS[kind]:
        yield (
            f"{target} gives inputs of {inputs.dtype} with {inputs.dim()} dimensions in its {name}; its file says "
            f"gives: [{kind}], which are {dtype} with {DIMENSIONS[kind]}."
        )
    if not len(inputs) or len(inputs) != len(targets):
        yield f"{target} gives {len(inputs)} inputs and {len(targets)} targets in its {name}; it needs equally many, 1 or more."
        return
    if inputs.dtype.is_floating_point and not inputs.isfinite().all():
        yield f"{target} gives inputs that are not finite in its {name}."
    if classes:
        yield from _check_labels(target, name, targets, len(classes))
    elif targets.dtype != torch.float32 or targets.dim() != 2 or not targets.isfinite().all():
        yield (
            f"{target} has no classes, so targets must be finite float32 of shape [N, 1]; "
            f"its {name} has {targets.dtype} of shape {list(targets.shape)}."
        )


def _check_labels(target: str, name: str, targets: Tensor, num_classes: int) -> Iterator[str]:
    if targets.dtype != torch.int64 or targets.dim() != 1:
        yield f"{target} gives labels of {targets.dtype} and shape {list(targets.shape)} in its {name}; they must be int64 [N]."
    elif targets.min() < 0 or targets.max() >= num_classes:
        yield (
            f"{target} gives labels from {int(targets.min())} to {int(targets.max())} in its {name}; with {num_classes} "
            f"classes they must be from 0 to {num_classes - 1}."
        )


def reads_the_same_twice(case: Case) -> Iterator[str]:
    """A data set is the same each time it is read, whatever the state of the global random streams."""
    problems: list[str] = []
    first = case.factory()
    with unchanged_streams(problems, "of the process"):
        second = case.factory()
    for name, one, other in ((name, getattr(first, name), getattr(second, name)) for name in ("train", "val", "test")):
        if one is None or other is None:
            continue
        for what, a, b in (("inputs", one.inputs, other.inputs), ("targets", one.targets, other.targets)):
            if a.shape != b.shape or not ((a == b) | a.isnan() & b.isnan()).all():  # NaN is filled in later
                yield (
                    f"{case.part.target} gives other {what} in its {name} split when it is read again; "
                    "draw random numbers from a generator of its own, seeded with data_seed."
                )
                return
    if first.classes != second.classes:
        yield f"{case.part.target} gives other classes when it is read again."
    yield from (f"{case.part.target} {problem}; use a generator of its own, seeded with data_seed." for problem in problems)


def opens_only_listed_files(case: Case) -> Iterator[str]:
    """A data set opens no file of the user that its file does not name: only what is named enters the id of a run."""
    keys, traits = case.config["dataset"], case.part.traits
    cache_dir = Path(keys["cache_dir"]) if keys.get("cache_dir") else None
    with record_opened_files(cache_dir) as opened:
        case.factory()
    named = [Path(keys[key]) for key in traits.user_files if keys.get(key)]
    published = [Path(keys[key]).expanduser().resolve() for key in traits.published_files if keys.get(key)]
    for path in find_unlisted_files(opened, named, traits.suffixes):
        if not any(path.is_relative_to(folder) for folder in published):
            yield (
                f"{case.part.target} opens {path}, which no key under _traits_: user_files names, so that a run is not done "
                "again when this file changes: name it, or its folder, in a key, and list that key under user_files."
            )


def draws_as_a_function_of_seed_and_epoch(case: Case) -> Iterator[str]:
    """An augmentation draws one row for each example, on the CPU, from the seed and the epoch alone."""
    augment: Augment = case.make()
    problems: list[str] = []
    with unchanged_streams(problems, "of the process"):
        first, again = augment.parameters(NUM_IMAGES, 1, 2), augment.parameters(NUM_IMAGES, 1, 2)
    if first.dim() != 2 or len(first) != NUM_IMAGES or first.device.type != "cpu":
        yield (
            f"{case.part.target}.parameters({NUM_IMAGES}, ...) has the shape {list(first.shape)} on {first.device}; "
            f"it must be [{NUM_IMAGES}, P] on the CPU."
        )
    elif problems or not torch.equal(first, again):
        drawn = f" ({problems[0]})" if problems else ""
        yield (
            f"{case.part.target}.parameters is no function of seed and epoch{drawn}: it must draw from "
            "dlexp.data.random_streams."
        )


def changes_images_alone(case: Case) -> Iterator[str]:
    """An augmentation returns the shape and dtype that it gets, the same twice, and leaves its inputs as they were."""
    augment, name = case.make(), case.part.target
    inputs = torch.randint(0, 256, (NUM_IMAGES, *IMAGE_SHAPE), generator=torch.Generator().manual_seed(SEED)).to(torch.uint8)
    labels = torch.arange(NUM_IMAGES) % NUM_CLASSES
    if "soft targets" in case.part.traits.gives:
        labels = torch.eye(NUM_CLASSES)[labels]
    parameters = augment.parameters(NUM_IMAGES, 1, 2)
    for kind, images in (("uint8", inputs), ("float32", inputs.float())):
        before, problems = images.clone(), list[str]()
        with unchanged_streams(problems, "when it is called"):
            outputs, targets = augment(images, labels, parameters)
            again, _ = augment(images, labels, parameters)
        if outputs.shape != images.shape or outputs.dtype != images.dtype:
            yield (
                f"{name} returns {outputs.dtype} {list(outputs.shape)} for {kind} images {list(images.shape)}; "
                "it must return the shape and dtype that it gets."
            )
        elif problems or not torch.equal(outputs, again):
            yield f"{name} is no function of its parameters: all random numbers must come from `parameters`."
        if not torch.equal(before, images):
            yield f"{name} changes the {kind} images that it gets in place; it must compute a new tensor."
        if "soft targets" in case.part.traits.gives and not torch.allclose(targets.sum(-1), torch.ones(NUM_IMAGES)):
            yield f"{name} returns soft targets that do not sum to 1; those of an example must."
        if len(targets) != NUM_IMAGES or targets.dim() not in (1, 2):
            yield f"{name} returns targets of shape {list(targets.shape)} for {NUM_IMAGES} labels; it must be [B] or [B, K]."
