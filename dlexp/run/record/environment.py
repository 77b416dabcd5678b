"""The environment of a saved state or of a finished run: what beside the config can change the last bits of a result."""

from collections.abc import Mapping
from typing import Any

import torch

from dlexp.config.values import make_printable
from dlexp.machine.numerics import BUILD, VARIABLES, describe_numerics

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


def _read_noted(summary: Mapping[str, Any]) -> dict[str, str]:
    """Processor, instructions, libraries and variables of a finished run, as far as its summary notes them: name → text."""
    groups = (summary.get(name) for name in ("libraries", "variables"))
    noted = {name: summary[name] for name in ("processor", "instructions") if name in summary}
    noted |= {name: value for group in groups if isinstance(group, Mapping) for name, value in group.items()}
    return {name: str(value) for name, value in noted.items()}


def describe_other_environment(summary: Mapping[str, Any], device: torch.device) -> str:
    """How the environment in which a run was finished differs from the present one, in words; empty if it does not.

    What the summary does not note, as those of older versions, is not compared. Neither is the version of torch, which counts
    as code.

    Args:
        summary: Of the finished run.
        device: Of the run; this machine may lack it.
    """
    then = _read_noted(summary)
    if "instructions" not in then:
        return ""
    lacks_gpu = device.type == "cuda" and not torch.cuda.is_available()
    now = describe_numerics(torch.device("cpu") if lacks_gpu else device)
    then |= {"gpu": str(summary.get("device"))} if device.type == "cuda" else {}
    names = dict.fromkeys([*now, *then]) if "libraries" in summary else dict.fromkeys([*then, *VARIABLES])
    versions = summary.get("versions")
    if isinstance(versions, Mapping) and versions.get("torch") != str(torch.__version__):
        names.pop(BUILD, None)  # another version is another build
    return ", ".join(_describe(name, then, now) for name in names if then.get(name) != now.get(name))


def _describe(name: str, saved: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    then, now = (make_printable(str(found.get(name, "not there"))) for found in (saved, here))
    return "other code" if name == "code" else f"{make_printable(name)} {then} then, {now} now"
