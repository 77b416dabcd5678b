"""The environment of a saved state: everything beside the config that can change the last bits of a result."""

from collections.abc import Mapping
from typing import Any

import torch

from dlexp.config.values import make_printable
from dlexp.machine.numerics import describe_numerics

NOTED_BEFORE = ("torch", "threads", "code")  # by versions that noted no instructions, and the kind of machine as `processor`


def describe_environment(device: torch.device, num_threads: int, code: str) -> dict[str, Any]:
    """Everything beside the config that can change the last bits of a result: name → number or text.

    Args:
        device: Of the run.
        num_threads: CPU threads of the run.
        code: Hash over its modules.
    """
    return {"torch": torch.__version__, "threads": num_threads, **describe_numerics(device), "code": code}


def describe_difference(saved: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """How two environments differ, in words; empty if results are the same to the last bit.

    A state of an older version is never called exact, because that version did not note the processor.
    """
    is_older = "instructions" not in saved
    names = NOTED_BEFORE if is_older else dict.fromkeys([*here, *saved])
    changed = [_describe(name, saved, here) for name in names if saved.get(name) != here.get(name)]
    return ", ".join([*changed, *(["processor and libraries not noted then"] if is_older else [])])


def _describe(name: str, saved: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    then, now = (make_printable(str(found.get(name, "not there"))) for found in (saved, here))
    return "other code" if name == "code" else f"{make_printable(name)} {then} then, {now} now"
