"""`batch_size=auto`: the largest power of two that fits into memory, estimated first and then tried."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from dlexp.machine import device as hardware
from dlexp.machine import memory
from dlexp.run.setup import footprint
from dlexp.run.setup.build import build
from dlexp.run.setup.facts import Facts, largest_power_of_two
from dlexp.run.setup.footprint import SHARE, Footprint

Settings = dict[str, Any]


def estimate(config: Mapping[str, Any], facts: Facts) -> int:
    """What should fit into the memory that is free now. Computes nothing.

    Args:
        config: Resolved.
        facts: Of the run, with whatever batch size.
    """
    takes = footprint.measure(config, facts.dataset, facts.device)
    if facts.device.type == "cpu":
        takes = replace(takes, data=0)  # it is there already
    return granted(takes, memory.free(facts.device), facts)


def granted(takes: Footprint, free: int, facts: Facts) -> int:
    """The largest power of two that fits into so many bytes, at most all training examples; where none does, the smallest."""
    return min(max(takes.largest_batch(free), _least(facts)), largest_power_of_two(len(facts.dataset.train.targets)))


def settle(config: Mapping[str, Any], facts: Facts, sized: Callable[[int], Facts]) -> Settings:
    """Halve the batch until two steps of training fit.

    Args:
        config: Resolved.
        facts: With the batch size to begin with.
        sized: Takes a batch size, and gives the facts with that one.

    Returns:
        `chosen`, the `batch_size`, and `tried`: each size, and whether it `fits`.

    Raises:
        torch.OutOfMemoryError, MemoryError, RuntimeError: If the smallest batch does not fit either.
    """
    tried: list[Settings] = []
    spare = 0  # the estimate leaves a margin; where it was wrong, the trial has to
    while not _fits(config, facts, spare):
        tried.append({"batch_size": facts.batch_size, "fits": False})
        hardware.empty_cache()
        facts = sized(facts.batch_size // 2)
        needed = footprint.measure(config, facts.dataset, facts.device).needed(facts.batch_size)
        spare = int((1 / SHARE - 1) * needed) if facts.batch_size > _least(facts) else 0
    tried.append({"batch_size": facts.batch_size, "fits": True})
    return {"chosen": {"batch_size": facts.batch_size}, "tried": tried}


def _fits(config: Mapping[str, Any], facts: Facts, spare: int) -> bool:
    """Take two steps with a model that is built for this alone; the second is the first with the optimizer's state there.

    Args:
        config: Resolved.
        facts: With the batch size.
        spare: Bytes that must be left over.
    """
    try:
        left = torch.empty(spare, dtype=torch.uint8, device=facts.device)
        built = build({**config, "on_oom": "fail"}, facts)
        for epoch in (1, 2):  # of each the first batch, which is a full one
            inputs, targets = next(built.batches(epoch))
            built.learner.update(inputs, targets)
        hardware.wait(facts.device)
        del left
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        if facts.batch_size <= _least(facts):
            error.add_note(f"Nor is there a smaller batch: batch_size=auto came down to {facts.batch_size}.")
            raise
        return False
    return True


def _least(facts: Facts) -> int:
    """Examples of the smallest batch there is."""
    return 2 if facts.has_batch_norm else 1
