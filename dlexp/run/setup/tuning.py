"""Settings that are measured at the first start of a run and saved in its folder: `hardware.tune` and `batch_size=auto`.

batch_size.py measures the second. This module holds the file of both, and finds the fastest layout, threads and CUDA graph.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Set
from itertools import count, product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from torch import Tensor

from dlexp.config import plain_json
from dlexp.config.plain_json import seal
from dlexp.config.ranges import COUNT, rule_for
from dlexp.data.batches import Batch
from dlexp.errors import CheckpointError, ConfigError
from dlexp.machine.device import synchronize
from dlexp.machine.files import write_whole
from dlexp.run.record import forms
from dlexp.run.setup.build import build
from dlexp.run.setup.facts import Facts

FILE = "tuned.json"
MAX_BYTES = 2**20  # of this file; a measurement writes about a thousand
SECONDS = 0.5  # timing budget for all candidates together
WARM_UP = 5  # untimed steps of each candidate; the recording of a CUDA graph is among them
MIN_STEPS = 3  # timed steps of each candidate, however slow they are

TUNED_KEYS = ("channels_last", "num_threads", "cuda_graph")  # keys of the group hardware

Settings = dict[str, Any]
Measurements = dict[str, Any]
"""`chosen`: the settings. `tried` or `timed`: what was measured to choose them."""


def needs_measurement(config: Mapping[str, Any]) -> bool:
    """Whether a config leaves a setting to measurement."""
    return config["batch_size"] == "auto" or config["hardware"]["tune"]


def list_candidates(config: Mapping[str, Any], facts: Facts, overridden: Set[str]) -> list[Settings]:
    """The combinations of hardware settings that the user left open and this run can use.

    Raises:
        ConfigError: If there is only one.
    """
    choices: dict[str, list[Any]] = {}
    if len(facts.dataset.input_shape) == 3:
        choices["channels_last"] = [False, True]
    if facts.device.type == "cpu":
        choices["num_threads"] = sorted({1, len(os.sched_getaffinity(0))})
    elif _can_be_graphed(config):
        choices["cuda_graph"] = [False, True]
    choices = {key: values for key, values in choices.items() if f"hardware.{key}" not in overridden}
    candidates = [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]
    if len(candidates) < 2:
        raise ConfigError("hardware.tune=true: the machine and the settings given leave nothing to choose: leave it false.")
    return candidates


def _can_be_graphed(config: Mapping[str, Any]) -> bool:
    """Whether a CUDA graph can replay the steps: see config/rules.py."""
    whole = config["on_oom"] == "fail" and config["batch_size"] != "auto"
    return bool(config["optimizer"].get("fused")) and whole and not config["hardware"]["recompute"]


def read_measurements(folder: Path, config: Mapping[str, Any]) -> Measurements | None:
    """The measurements of the first start in this folder; None if there were none.

    Raises:
        CheckpointError: If the file is damaged.
    """
    path = folder / FILE
    try:
        measurements = plain_json.read(path, forms.Measurements, MAX_BYTES)
        problem = _find_problem(measurements["chosen"], config)
    except FileNotFoundError:
        return None
    except plain_json.FormError as error:
        problem = str(error)
    if problem:
        raise CheckpointError(
            f"{path} is damaged: {problem}. It holds the settings that were chosen at the first start, and they are never "
            "chosen again without being asked for. force=true starts the run over."
        )
    return measurements


def _find_problem(chosen: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """What is wrong with the choice, beside its form."""
    rules = {"batch_size": COUNT} if config["batch_size"] == "auto" else {}
    if missing := rules.keys() - chosen.keys():
        return f"it has no {missing.pop()}"
    if config["hardware"]["tune"]:
        rules |= {key: rule_for(f"hardware.{key}", config["hardware"][key]) for key in TUNED_KEYS}
        if not chosen.keys() & set(TUNED_KEYS):
            return "it has no settings of the group hardware"
    wrong = (f"{key}={value}" for key, value in chosen.items() if key not in rules or not rules[key].holds(value))
    return next(wrong, None)


def write_measurements(folder: Path, measurements: Measurements) -> None:
    """Save the measurements of the first start."""
    write_whole(folder / FILE, json.dumps(seal(measurements), indent=1), durable=True)


def time_candidates(config: Mapping[str, Any], facts: Facts, overridden: Set[str]) -> Measurements:
    """Time every candidate.

    Returns:
        `chosen`: the fastest. `timed`: of each candidate its settings and the median `seconds` of a step.
    """
    candidates = list_candidates(config, facts, overridden)
    timed = [
        {**settings, "seconds": _seconds_per_step(with_tuned_hardware(config, settings), facts, len(candidates))}
        for settings in candidates
    ]
    best = min(range(len(candidates)), key=lambda number: timed[number]["seconds"])
    return {"chosen": candidates[best], "timed": timed}


def with_tuned_hardware(config: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The config with these settings in its group `hardware`."""
    chosen = {key: settings[key] for key in TUNED_KEYS if key in settings}
    return {**config, "hardware": {**config["hardware"], **chosen}}


def _seconds_per_step(config: Mapping[str, Any], facts: Facts, num_candidates: int) -> float:
    """Median over steps of a model built only for this; the run itself builds its own from its seed."""
    built = build(config, facts)
    batches = (batch for epoch in count(1) for batch in built.batches(epoch))
    steps = _time_steps(built.learner.step, batches, facts)
    for _ in range(WARM_UP):
        next(steps)
    timed: list[float] = []
    while len(timed) < MIN_STEPS or sum(timed) < SECONDS / num_candidates:
        timed.append(next(steps))
    return median(timed)


def _time_steps(step: Callable[[Tensor, Tensor], None], batches: Iterator[Batch], facts: Facts) -> Iterator[float]:
    """Train, and yield the seconds of each step."""
    for batch in batches:
        synchronize(facts.device)
        start = perf_counter()
        step(*batch)
        synchronize(facts.device)
        yield perf_counter() - start
