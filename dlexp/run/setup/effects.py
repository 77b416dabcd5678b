"""Settings that have no effect in a run of these data and this length: they are refused, with a setting that means the same."""

from collections.abc import Callable, Iterator, Mapping, Set
from functools import lru_cache
from itertools import islice
from typing import Any

import torch

from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable
from dlexp.contract import Dataset, Horizon, Schedule
from dlexp.run.record.scores import OF_ALL, OF_CLASS

MAX_TRIED = 10_000  # epochs or steps in which a learning rate must change for the first time
MakeSchedule = Callable[..., Schedule]  # of an optimizer and a Horizon; a key in their place takes that of the config


def choose_batch_size(config: Mapping[str, Any], overridden: Set[str], num_examples: int) -> tuple[int, list[str]]:
    """The number of examples of a full batch. A default beyond the examples acts as `full`; one that was set is refused.

    Args:
        config: Resolved.
        overridden: Keys that the user has set.
        num_examples: Number of training examples.

    Returns:
        The size, and what is wrong with it.
    """
    asked = config["batch_size"]
    words = {"full": num_examples, "auto": largest_power_of_two(num_examples)}  # auto: the largest possible value
    size = words.get(asked) or int(asked)
    if size <= num_examples:
        return size, []
    if config["drop_last"]:
        return size, [f"batch_size={size} with drop_last=true leaves no batch of {num_examples} training examples."]
    if "batch_size" in overridden:
        more = f"batch_size={size}: there are only {num_examples} training examples. batch_size=full means the same."
        return num_examples, [more]
    return num_examples, []


def describe_batch_size(config: Mapping[str, Any], batch_size: int) -> list[str]:
    """A sentence where the default batch size is larger than the number of training examples."""
    asked = config["batch_size"]
    if isinstance(asked, str) or asked <= batch_size:
        return []
    return [f"batch_size={asked} is the default, and there are {batch_size} training examples: each step takes all of them."]


def largest_power_of_two(most: int) -> int:
    """1, 2, 4, 8 ..., up to `most`."""
    return 1 << (most.bit_length() - 1)


def check_scale(config: Mapping[str, Any], overridden: Set[str], dataset: Dataset) -> list[str]:
    """What is wrong with `dataset.scale=minmax` where it divides all inputs by one number, as `unit` does."""
    if config["dataset"].get("scale") != "minmax" or "dataset.scale" not in overridden:
        return []
    if dataset.shift.any() or dataset.factor.unique().numel() > 1:
        return []
    return [
        "dataset.scale=minmax: in these data the smallest value is 0 and the largest is the same in each channel or feature. "
        "dataset.scale=unit means the same."
    ]


def check_balance(config: Mapping[str, Any], dataset: Dataset) -> Iterator[str]:
    """What is wrong with settings that weigh the classes, or draw examples by class."""
    if dataset.task == "regression":
        return
    weights, num_classes = config["loss"].get("class_weight", "none"), len(dataset.classes)
    if isinstance(weights, list) and len(weights) != num_classes:
        yield f"loss.class_weight: expected {num_classes} numbers, one for each class, got {len(weights)}."
    elif isinstance(weights, list) and len(set(weights)) == 1:
        yield "loss.class_weight has no effect on the classes: all have the same weight. Leave it out."
    counts = torch.bincount(dataset.train.targets, minlength=num_classes)
    for key, value in (("loss.class_weight", weights), ("sampling", config["sampling"])):
        if value == "balanced" and len(counts.unique()) == 1:
            yield f"{key}=balanced has no effect: there are {int(counts[0]):,} training examples of each class. Leave it out."


def check_monitor(config: Mapping[str, Any], name: str, dataset: Dataset) -> Iterator[str]:
    """What is wrong with `monitor` in a run with the data set of this name."""
    score = config["monitor"]
    if score == "loss":
        return
    if dataset.task == "regression":
        yield f"monitor={score} needs classes, and dataset={name} is a regression: use monitor=loss."
        return
    scores = ["acc", *OF_ALL, *(f"{kind}/{label}" for kind in OF_CLASS for label in dataset.classes)]
    if score not in scores:
        near = nearest_option(score, scores)
        typed, example = make_printable(score), make_printable(scores[-1])
        yield f"monitor={typed}: must be loss, acc, {', '.join(OF_ALL)}, or a score of a class, such as {example}.{near}"


def check_init(config: Mapping[str, Any], overridden: Set[str], num_examples: int) -> tuple[list[str], list[str]]:
    """What to say of a number of examples that an initialisation looks at and that the training split does not have.

    Returns:
        Notes on the default, which takes all there are; and problems, if it was set.
    """
    asked = config["init"].get("num_examples", 0)
    if asked <= num_examples:
        return [], []
    if "init.num_examples" in overridden:
        number = f"init.num_examples={num_examples}"
        return [], [f"init.num_examples={asked}: there are only {num_examples} training examples. {number} means the same."]
    return [
        f"init.num_examples={asked} is the default, and there are {num_examples} training examples: all of them are used."
    ], []


def check_epochs(config: Mapping[str, Any], overridden: Set[str], num_epochs: int) -> list[str]:
    """What is wrong with settings that count epochs and would act only after the last one."""
    length = f"a run of {num_epochs} epoch{'s' if num_epochs > 1 else ''}"
    problems, every, stopping = [], config["hardware"]["empty_cache_every"], config["early_stopping"]
    if every > num_epochs:
        key = f"hardware.empty_cache_every={every}"
        problems.append(f"{key} has no effect in {length}. hardware.empty_cache_every=0 means the same.")
    # Where training never stops early, `restore_best` still tests the best epoch, and `min_delta` says which one that is.
    acts = stopping["restore_best"] or "early_stopping.min_delta" in overridden
    if (stopping["patience"] or 0) >= num_epochs and not acts:
        key = f"early_stopping.patience={stopping['patience']} with early_stopping.restore_best=false"
        problems.append(f"{key} has no effect in {length}: it never stops early. Leave both out.")
    return problems


def check_warmup(
    config: Mapping[str, Any], option: str, overridden: Set[str], make: MakeSchedule, horizon: Horizon
) -> tuple[list[str], list[str]]:
    """What to say of a warm-up that is shorter than one step.

    Args:
        config: Resolved.
        option: The choice of the group scheduler.
        overridden: Keys that the user has set.
        make: Makes the schedule.
        horizon: Planned length of the run.

    Returns:
        Notes on the default, which acts as no warm-up; and problems, if the warm-up was set.
    """
    share = config["scheduler"].get("warmup_fraction")
    if not share or _has_warmup(config["optimizer"].get("lr", 1.0), make, horizon):
        return [], []
    steps = f"{horizon.num_steps} steps"  # in a run of one, no schedule has an effect
    if "scheduler.warmup_fraction" in overridden:
        key = "scheduler.warmup_fraction"
        return [], [
            f"{key}={share:g} has no effect in a run of {steps}: the warm-up has no step. {key}=0 means the same. "
            f"One step is {key}={1 / horizon.num_steps:.2g}."
        ]
    if "scheduler.start_factor" in overridden:
        return [], [
            f"scheduler.start_factor has no effect in a run of {steps}: scheduler.warmup_fraction={share:g}, the default, gives"
            " the warm-up no step. Leave it out, or give a larger scheduler.warmup_fraction."
        ]
    return [f"scheduler={option}: warmup_fraction={share:g} is the default, and of {steps} that is none: no warm-up."], []


def check_schedule(config: Mapping[str, Any], option: str, make: MakeSchedule, horizon: Horizon) -> list[str]:
    """What is wrong with a schedule that never changes the learning rate of a run, even if the monitored value never improves.

    Args:
        config: Resolved.
        option: The choice of the group scheduler.
        make: Makes the schedule.
        horizon: Planned length of the run.
    """
    if option == "constant" or _changes_rate(config["optimizer"].get("lr", 1.0), make, horizon):
        return []
    length = f"{horizon.num_epochs} epoch{'s' if horizon.num_epochs > 1 else ''} ({horizon.num_steps} steps)"
    keys = [key for key in ("step_size", "patience") if key in config["scheduler"]]
    given = "".join(f" with scheduler.{key}={config['scheduler'][key]}" for key in keys)
    return [
        f"scheduler={option}{given} has no effect in a run of {length}: the learning rate never changes. "
        f"scheduler=constant means the same.{_suggest_schedule(keys, horizon)}"
    ]


def _suggest_schedule(keys: list[str], horizon: Horizon) -> str:
    """What to do for the schedule to have an effect."""
    if horizon.num_epochs == 1:
        return " For a schedule within one epoch use one that counts steps: linear, onecycle or warmup_cosine."
    largest = {
        "step_size": horizon.num_epochs - 1,
        "patience": horizon.num_epochs - 3,
    }  # the rate of the last epoch then changes
    fitting = [f"scheduler.{key} of at most {largest[key]}" for key in keys if largest[key] >= (key == "step_size")]
    return f" For an effect use {fitting[0]}." if fitting else ""


@lru_cache(maxsize=1024)
def _changes_rate(lr: float, make: MakeSchedule, horizon: Horizon) -> bool:
    """Whether the rate of any step differs from `lr`; true if the first `MAX_TRIED` steps or epochs do not show it."""
    rates = list(islice(_list_rates(lr, make, horizon), MAX_TRIED + 1))
    return len(rates) > MAX_TRIED or any(rate != lr for rate in rates)


@lru_cache(maxsize=1024)
def _has_warmup(lr: float, make: MakeSchedule, horizon: Horizon) -> bool:
    """Whether a schedule differs from the same one with `warmup_fraction=0`: if at all, within the first two steps."""
    first = islice(
        zip(_list_rates(lr, make, horizon), _list_rates(lr, make, horizon, warmup_fraction=0.0), strict=True), MAX_TRIED
    )
    return any(rate != without for rate, without in first)


def _list_rates(lr: float, make: MakeSchedule, horizon: Horizon, **changed: float) -> Iterator[float]:
    """The learning rate of each step or epoch, if the monitored value never improves; with other values of some keys."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule = make(optimizer, horizon, **changed)
    never_better = (1.0,) if schedule.every == "metric" else ()
    for _ in range(horizon.num_steps if schedule.every == "step" else horizon.num_epochs):
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()  # torch warns where a schedule comes first
        schedule.scheduler.step(*never_better)
