"""`batch_size=auto`: the largest power of two that fits into memory, first estimated, then tried."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from dlexp.machine.device import empty_cache, synchronize
from dlexp.machine.memory import free_memory, is_out_of_memory
from dlexp.run.setup.build import build
from dlexp.run.setup.effects import largest_power_of_two
from dlexp.run.setup.facts import Facts
from dlexp.run.setup.footprint import MAX_MEMORY_SHARE, Footprint, estimate_footprint


def estimate_batch_size(config: Mapping[str, Any], facts: Facts) -> int:
    """Estimate the batch size that fits into the memory free now. Computes nothing on the device.

    Args:
        config: Resolved.
        facts: Facts of the run, with any batch size.
    """
    footprint = estimate_footprint(config, facts.dataset, facts.device)
    if facts.device.type == "cpu":
        footprint = replace(footprint, data=0)  # the data are in memory already
    return largest_batch_size(footprint, free_memory(facts.device), facts)


def largest_batch_size(footprint: Footprint, free: int, facts: Facts) -> int:
    """The largest power of two that fits into `free` bytes, at most all training examples; the smallest batch if none fits."""
    limit = largest_power_of_two(len(facts.dataset.train.targets))
    return min(max(footprint.largest_batch(free), _min_examples(facts)), limit)


def find_batch_size(config: Mapping[str, Any], facts: Facts, with_batch_size: Callable[[int], Facts]) -> dict[str, Any]:
    """Halve the batch until two training steps fit.

    Args:
        config: Resolved.
        facts: Facts of the run, with the batch size to begin with.
        with_batch_size: Takes a batch size, and returns the facts with it.

    Returns:
        `chosen`: the `batch_size`. `tried`: each size, and whether it `fits`.

    Raises:
        torch.OutOfMemoryError, MemoryError, RuntimeError: If the smallest batch does not fit either.
    """
    tried: list[dict[str, Any]] = []
    spare = 0  # the estimate leaves a margin; where the estimate was wrong, the trial has to leave it
    while not _fits(config, facts, spare):
        tried.append({"batch_size": facts.batch_size, "fits": False})
        empty_cache()
        facts = with_batch_size(facts.batch_size // 2)
        needed = estimate_footprint(config, facts.dataset, facts.device).needed(facts.batch_size)
        spare = int((1 / MAX_MEMORY_SHARE - 1) * needed) if facts.batch_size > _min_examples(facts) else 0
    tried.append({"batch_size": facts.batch_size, "fits": True})
    return {"chosen": {"batch_size": facts.batch_size}, "tried": tried}


def _fits(config: Mapping[str, Any], facts: Facts, spare: int) -> bool:
    """Take two steps with a model built only for this; in the second, the optimizer's state is there as well.

    Args:
        config: Resolved.
        facts: Facts of the run, with the batch size to try.
        spare: Bytes that must remain free.
    """
    try:
        reserved = torch.empty(spare, dtype=torch.uint8, device=facts.device)
        built = build({**config, "on_oom": "fail"}, facts)
        for epoch in (1, 2):
            inputs, targets = next(built.batches(epoch))  # the first batch of an epoch is a full one
            built.learner.update(inputs, targets)
        synchronize(facts.device)
        del reserved
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if facts.batch_size <= _min_examples(facts):
            error.add_note(f"Nor is there a smaller batch: batch_size=auto came down to {facts.batch_size}.")
            raise
        return False
    return True


def _min_examples(facts: Facts) -> int:
    """Examples of the smallest possible batch."""
    return 2 if facts.has_batch_norm else 1
