"""Facts of a run that its config does not hold (device, data, sizes), and the checks that need them."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from dlexp.config.options import groups, traits
from dlexp.contract import Dataset, Horizon
from dlexp.data.batches import count_batches
from dlexp.data.preprocessing import KINDS
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.machine.device import check_hardware, physical_memory
from dlexp.run.setup.augmentation import check_augment, mixes_targets
from dlexp.run.setup.effects import (
    check_balance,
    check_epochs,
    check_init,
    check_monitor,
    check_scale,
    check_schedule,
    check_warmup,
    choose_batch_size,
    describe_batch_size,
)
from dlexp.training.compile import find_blocks
from dlexp.training.microbatch import has_batch_norm

STATES_PER_PARAMETER = 4  # the weight, its gradient, and two moments of the optimizer, float32 each


@dataclass(frozen=True)
class Facts:
    """Device, data and sizes of one run; the parts get them beside their hyper-parameters.

    Args:
        device: The device of the run.
        dataset: The prepared data.
        batch_size: Examples of a full batch.
        steps_per_epoch: Batches of a full epoch.
        horizon: Planned number of epochs and steps.
        num_parameters: Trainable numbers in the model before initialisation, which may freeze some.
        has_batch_norm: Whether the model takes statistics from the whole batch.
        soft_targets: Whether the training batches have the probability of each class as targets.
        notes: Defaults that do not fit this run, a sentence each, with what they act as.
    """

    device: torch.device
    dataset: Dataset
    batch_size: int
    steps_per_epoch: int
    horizon: Horizon
    num_parameters: int
    has_batch_norm: bool
    soft_targets: bool
    notes: tuple[str, ...] = ()


def check_facts(
    config: Mapping[str, Any],
    choices: Mapping[str, str],
    overridden: Set[str],
    parts: Mapping[str, Callable],
    dataset: Dataset,
    device: torch.device,
) -> Facts:
    """Check the config against the device, the data and the model.

    Args:
        config: Resolved.
        choices: Group → option.
        overridden: Keys that the user has set.
        parts: Group → factory. What is found out about a factory is kept for those that are equal to it.
        dataset: The prepared data.
        device: The device of the run.

    Raises:
        UnsupportedError: If the config is sound but this machine cannot run it.
        ConfigError: With every problem that was found.
    """
    parts["precision"](device)  # refuses what the device lacks
    if unsupported := [*check_hardware(config["hardware"], device), *check_fused_lstm(config, device)]:
        raise UnsupportedError(*unsupported)
    problems = _check_task(config, choices, overridden, dataset)
    num_examples = len(dataset.train.targets)
    batch_size, wrong = choose_batch_size(config, overridden, num_examples)
    problems += [*wrong, *check_scale(config, overridden, dataset)]
    steps = count_batches(num_examples, batch_size, drop_last=config["drop_last"])
    if not problems:
        problems += check_augment(config, choices["augment"], parts["augment"], dataset)
    num_steps = config["max_steps"] or config["epochs"] * steps
    horizon = Horizon(-(-num_steps // steps), num_steps) if steps else Horizon(0, 0)  # no batch is a problem by itself
    notes = describe_batch_size(config, batch_size)
    if not problems:
        parts["average"](horizon)  # refuses a run that is too short
        constant = check_schedule(config, choices["scheduler"], parts["scheduler"], horizon)
        problems += [*constant, *check_epochs(config, overridden, horizon.num_epochs)]
        init = check_init(config, overridden, num_examples)
        warmup = check_warmup(config, choices["scheduler"], overridden, parts["scheduler"], horizon)
        for of_defaults, wrong in [init] if constant else [init, warmup]:
            notes, problems = notes + of_defaults, problems + wrong
    if problems:
        raise ConfigError(*problems)
    remainder = num_examples % batch_size
    smallest = remainder if remainder and not config["drop_last"] else min(batch_size, num_examples)
    size = _check_model(config, choices["model"], parts, dataset, smallest, device)
    if problem := _check_on_oom(config["on_oom"], choices["norm"], size.has_batch_norm):
        raise ConfigError(problem)
    if config["hardware"]["recompute"] and not size.has_blocks:
        name = choices["model"]
        raise ConfigError(f"hardware.recompute=true acts on blocks, and model={name} has none here: leave it false.")
    soft_targets = mixes_targets(choices["augment"], dataset)
    return Facts(
        device, dataset, batch_size, steps, horizon, size.num_parameters, size.has_batch_norm, soft_targets, tuple(notes)
    )


def _check_task(config: Mapping[str, Any], choices: Mapping[str, str], overridden: Set[str], dataset: Dataset) -> list[str]:
    """Settings that this kind of data rules out, one message each."""
    name, problems = choices["dataset"], []
    if dataset.task == "regression":
        for group, advice in (("loss", "use loss=mse"), ("augment", "use augment=none")):
            if "classes" in traits(group, choices[group]).needs:
                problems.append(f"{group}={choices[group]} needs classes, and dataset={name} is a regression: {advice}.")
        for key in ("loss.softmax", "loss.label_smoothing", "loss.class_weight", "sampling"):
            if key in overridden:
                problems.append(f"{key} acts on classes, and dataset={name} is a regression: leave it out.")
    if dataset.task == "classification" and (config["target"] or 0) > 1:
        problems.append(f"target: an accuracy is a number from 0 to 1, got {config['target']}: 94 % is target=0.94.")
    problems += [*_check_kind(config, choices, dataset), *check_balance(config, dataset), *check_monitor(config, name, dataset)]
    if len(dataset.input_shape) != 3:
        needs_images = {
            "test_flip=true": (config["test_flip"], "leave it false"),
            "hardware.channels_last=true": (config["hardware"]["channels_last"], "leave it false"),
        }
        data = f"dataset={name} has inputs of shape {list(dataset.input_shape)}"
        problems += [f"{key} needs images, and {data}: {fix}." for key, (is_set, fix) in needs_images.items() if is_set]
    if "data_seed" in overridden and not draws_data(config, dataset):
        problems.append(
            "data_seed: has no effect: the data set has all three splits, and dataset.per_class and dataset.imbalance are null."
        )
    return problems


def draws_data(config: Mapping[str, Any], dataset: Dataset) -> bool:
    """Whether anything of a run's data comes from its data_seed: the subset, the validation split, or what the data set draws.

    A data set that draws takes `data_seed`; one that reads files draws only if its test split is not a folder or a file.
    """
    options = config["dataset"]
    split = config["val_fraction"] > 0 and not dataset.has_own_val
    thinned = options["per_class"] is not None or options.get("imbalance") is not None
    return split or thinned or ("data_seed" in options and options.get("test_fraction", 0) is not None)


def _check_kind(config: Mapping[str, Any], choices: Mapping[str, str], dataset: Dataset) -> list[str]:
    """The choices that need another kind of data than this data set has, where it depends on its files."""
    name, kind = choices["dataset"], KINDS[len(dataset.input_shape)]
    lacking = set(traits("dataset", name).gives) - {kind}
    problems = []
    for group, option in choices.items():
        for need in lacking & set(traits(group, option).needs):
            others = [other for other in groups()[group] if not set(KINDS.values()) - {kind} & set(traits(group, other).needs)]
            as_images = need == "images" and "image_shape" in config["dataset"]
            shape = "dataset.image_shape=[C,H,W], if each row holds the pixels of an image, or " if as_images else ""
            problems.append(
                f"{group}={option} needs {need}, and dataset={name} has {kind} of shape {list(dataset.input_shape)} here: "
                f"use {shape}{group}={' or '.join(others)}."
            )
    return problems


def check_fused_lstm(config: Mapping[str, Any], device: torch.device) -> list[str]:
    """A combination that torch's LSTM lacks on this device."""
    half = device.type == "cpu" and config["precision"]["format"] == "fp16"
    if half and config["model"].get("cell") == "fused":
        return ["precision=fp16 with model.cell=fused needs a GPU; precision=bf16 or model.cell=loop runs on the CPU."]
    return []


def _check_on_oom(on_oom: str, norm: str, has_batch_norm: bool) -> str | None:
    """The reason why a batch of this model cannot be split, or None."""
    if on_oom == "microbatch" and has_batch_norm:
        return (
            f"on_oom=microbatch gives the gradient of the whole batch, and with norm={norm} a part of a batch has other "
            "statistics and so another gradient: use norm=gn, or on_oom=microbatch_bn, which accepts that."
        )
    if on_oom == "microbatch_bn" and not has_batch_norm:
        return "on_oom=microbatch_bn: the model has no batch norm, so it would be the same as on_oom=microbatch: use that."
    return None


def _check_model(
    config: Mapping[str, Any],
    name: str,
    parts: Mapping[str, Callable],
    dataset: Dataset,
    smallest_batch: int,
    device: torch.device,
) -> "_Size":
    """Check that the model fits data, batch and memory, and that the probes have something to measure."""
    shapes = dataset.input_shape, dataset.num_outputs
    try:
        size = _measure_model(parts["model"], *shapes, smallest_batch)
    except ValueError as error:
        total = len(dataset.train.targets)
        raise ConfigError(
            f"model={name}: {error} (smallest batch of an epoch: {smallest_batch} of {total} examples)"
        ) from error
    if config.get("probe"):
        with torch.device("meta"):
            model = parts["model"](*shapes)
        parts["probe"](model, dataset)
    needed, there = 4 * STATES_PER_PARAMETER * size.num_parameters, physical_memory(device)
    if needed > there:
        raise ConfigError(
            f"model={name} has {size.num_parameters:,} parameters; training needs {needed / 2**30:.0f} GiB for them and their "
            f"optimizer, and the device has {there / 2**30:.0f} GiB: lower depth or width."
        )
    return size


class _Size(NamedTuple):
    """The number of trainable parameters of a model, and whether it has a batch norm, and blocks."""

    num_parameters: int
    has_batch_norm: bool
    has_blocks: bool


@lru_cache(maxsize=1024)  # most runs of a sweep have a model in common with others
def _measure_model(make: Callable, input_shape: tuple[int, ...], num_outputs: int, smallest_batch: int) -> _Size:
    """Build a model on the meta device, where nothing is computed, and pass a batch through it. This finds errors in shapes."""
    with torch.device("meta"):
        model = make(input_shape, num_outputs)
        num_parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        model(torch.empty(smallest_batch, *input_shape))
    return _Size(num_parameters, has_batch_norm(model), find_blocks(model) != [model])
