"""What is measured at the first start of a run and then kept in its folder: `hardware.tune` and `batch_size=auto`.

batch_size.py finds the second. Here are the file of both, and the search for the fastest layout, threads and CUDA graph.
"""

import json
import os
from collections.abc import Iterator, Mapping, Set
from itertools import count, product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from dlexp.config.ranges import COUNT, rule_for
from dlexp.errors import CheckpointError, ConfigError
from dlexp.machine import device as hardware
from dlexp.machine.files import write_whole
from dlexp.run.setup.build import build
from dlexp.run.setup.facts import Facts

FILE = "tuned.json"
SECONDS = 0.5  # of timing, for all candidates together
WARM_UP = 5  # steps of each candidate before it is timed; the capture of a CUDA graph is among them
LEAST = 3  # steps of each candidate that are timed, however slow

CHOSEN = ("channels_last", "num_threads", "cuda_graph")  # of the group hardware

Settings = dict[str, Any]


def leaves_open(config: Mapping[str, Any]) -> bool:
    """Whether a config leaves something to be measured."""
    return config["batch_size"] == "auto" or config["hardware"]["tune"]


def candidates(config: Mapping[str, Any], facts: Facts, overridden: Set[str]) -> list[Settings]:
    """The settings of the group `hardware` to choose among: those that the user left open, and that this run could use.

    Raises:
        ConfigError: If there is only one.
    """
    choices: dict[str, list[Any]] = {}
    if len(facts.dataset.input_shape) == 3:
        choices["channels_last"] = [False, True]
    if facts.device.type == "cpu":
        choices["num_threads"] = sorted({1, len(os.sched_getaffinity(0))})
    elif config["optimizer"].get("fused") and config["on_oom"] == "fail" and config["batch_size"] != "auto":  # see rules.py
        choices["cuda_graph"] = [False, True]
    choices = {key: values for key, values in choices.items() if f"hardware.{key}" not in overridden}
    found = [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]
    if len(found) < 2:
        raise ConfigError("hardware.tune=true: the machine and the settings given leave nothing to choose: leave it false.")
    return found


def read(folder: Path, config: Mapping[str, Any]) -> Settings | None:
    """What was measured at the first start in this folder, if there was one: `chosen`, and what it was chosen from.

    Raises:
        CheckpointError: If the file is damaged.
    """
    path = folder / FILE
    try:
        kept = json.loads(path.read_text())
        problem = _problem(kept, config)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        problem = str(error)
    if problem:
        raise CheckpointError(
            f"{path} is damaged: {problem}. It says what was chosen at the first start, and is never chosen anew by itself. "
            "force=true starts it over."
        )
    return kept


def _problem(kept: Any, config: Mapping[str, Any]) -> str | None:
    """What is wrong with the content of the file."""
    chosen = kept.get("chosen") if isinstance(kept, dict) else None
    if not isinstance(chosen, dict):
        return "it has no choice"
    rules = {"batch_size": COUNT} if config["batch_size"] == "auto" else {}
    if missing := rules.keys() - chosen.keys():
        return f"it has no {missing.pop()}"
    if config["hardware"]["tune"]:
        rules |= {key: rule_for(f"hardware.{key}", config["hardware"][key]) for key in CHOSEN}
        if not chosen.keys() & set(CHOSEN):
            return "it has no settings of the group hardware"
    wrong = (f"{key}={value}" for key, value in chosen.items() if key not in rules or not rules[key].holds(value))
    return next(wrong, None)


def write(folder: Path, kept: Settings) -> None:
    """Keep what was measured."""
    write_whole(folder / FILE, json.dumps(kept, indent=1), durable=True)


def measure(config: Mapping[str, Any], facts: Facts, overridden: Set[str]) -> Settings:
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
    """The config with what was chosen of its group `hardware`."""
    chosen = {key: settings[key] for key in CHOSEN if key in settings}
    return {**config, "hardware": {**config["hardware"], **chosen}}


def _seconds_per_step(config: Mapping[str, Any], facts: Facts, num_candidates: int) -> float:
    """Median over steps of a model that is built for this alone; the run itself is built anew from its seed."""
    built = build(config, facts)
    batches = (batch for epoch in count(1) for batch in built.batches(epoch))
    steps = _steps(built.learner.step, batches, facts)
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
