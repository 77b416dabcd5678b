"""Which layout, threads and CUDA graph are fastest for one run: measured once, then kept in the run folder."""

import json
import os
from collections.abc import Iterator, Mapping
from itertools import cycle, islice, product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from dlexp import hardware
from dlexp.build import build
from dlexp.errors import ConfigError
from dlexp.facts import Facts

FILE = "tuned.json"
SECONDS = 0.5  # of timing, for all candidates together
WARM_UP = 5  # steps of each candidate before it is timed; the capture of a CUDA graph is among them
LEAST = 3  # steps of each candidate that are timed, however slow

Settings = dict[str, Any]


def candidates(config: Mapping[str, Any], facts: Facts, overridden: set[str]) -> list[Settings]:
    """The settings of the group `hardware` to choose among: those that the user left open, and that this run could use.

    Raises:
        ConfigError: If there is only one.
    """
    choices: dict[str, list[Any]] = {}
    if len(facts.dataset.input_shape) == 3:
        choices["channels_last"] = [False, True]
    if facts.device.type == "cpu":
        choices["num_threads"] = sorted({1, len(os.sched_getaffinity(0))})
    elif config["optimizer"].get("fused") and config["on_oom"] == "fail":  # a CUDA graph replays whole batches
        choices["cuda_graph"] = [False, True]
    choices = {key: values for key, values in choices.items() if f"hardware.{key}" not in overridden}
    found = [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]
    if len(found) < 2:
        raise ConfigError("hardware.tune=true: the machine and the settings given leave nothing to choose: leave it false.")
    return found


def read(folder: Path) -> Settings | None:
    """What `measure` found at the first start in this folder, if there was one."""
    try:
        return json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return None


def measure(config: Mapping[str, Any], facts: Facts, overridden: set[str]) -> Settings:
    """Time every candidate.

    Returns:
        `chosen`, the fastest, and `timed`: of each candidate its settings and the median `seconds` of a step.
    """
    found = candidates(config, facts, overridden)
    timed = [
        {**settings, "seconds": _seconds_per_step(with_hardware(config, settings), facts, len(found))} for settings in found
    ]
    best = min(range(len(found)), key=lambda number: timed[number]["seconds"])
    return {"chosen": found[best], "timed": timed}


def with_hardware(config: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The config with other settings in its group `hardware`."""
    return {**config, "hardware": {**config["hardware"], **settings}}


def _seconds_per_step(config: Mapping[str, Any], facts: Facts, num_candidates: int) -> float:
    """Median over steps of a model that is built for this alone; the run itself is built anew from its seed."""
    built = build(config, facts)
    steps = _steps(built.learner.step, cycle(islice(built.batches(1, 0), 8)), facts)
    for _ in range(WARM_UP):
        next(steps)
    timed: list[float] = []
    while len(timed) < LEAST or sum(timed) < SECONDS / num_candidates:
        timed.append(next(steps))
    return median(timed)


def _steps(step: Any, batches: Iterator[Any], facts: Facts) -> Iterator[float]:
    """Train, and give the seconds of each step."""
    for batch in batches:
        hardware.wait(facts.device)
        start = perf_counter()
        step(*batch)
        hardware.wait(facts.device)
        yield perf_counter() - start
