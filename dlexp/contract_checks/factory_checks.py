"""Checks of an option's file and of what its factory returns."""

import inspect
from collections.abc import Iterator

import torch
from torch import nn

from dlexp.contract import Augment, Average, Probe, Schedule, Source
from dlexp.contract_checks.case import Case
from dlexp.contract_checks.finding import describe_error
from dlexp.errors import ConfigError
from dlexp.machine.precision import Precision

RETURNS: dict[str, tuple[type, ...]] = {
    "dataset": (Source,),
    "augment": (Augment,),
    "model": (nn.Module,),
    "activation": (nn.Module,),
    "norm": (nn.Module,),
    "init": (type(None),),
    "loss": (nn.Module,),
    "optimizer": (torch.optim.Optimizer,),
    "scheduler": (Schedule,),
    "average": (Average, type(None)),
    "precision": (Precision,),
    "probe": (Probe,),
}
HAS_ITS_OWN_SIGNATURE = ("torch.", "dlexp.machine.")  # parts whose parameters are not ours to demand keyword-only


def lists_every_parameter(case: Case) -> Iterator[str]:
    """The file lists exactly the keyword-only parameters of the factory, and `_partial_: true`."""
    part = case.part
    if part.keys.get("_partial_") is not True:
        yield "needs the line `_partial_: true`, because the run calls the factory with further arguments."
        return
    if part.group == "probe" and part.is_listed and "every" not in part.keys:
        yield "needs the key `every`: the number of epochs between two measurements, 0 for only at the end."
    try:
        parameters = inspect.signature(case.target).parameters
    except ConfigError:  # names the module and the line
        raise
    except Exception as error:
        yield f"{part.target} cannot be imported: {describe_error(error, case.source)}."
        return
    listed, kinds = set(part.factory_keys), {name: parameter.kind for name, parameter in parameters.items()}
    keyword_only = {name for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY}
    if part.target.startswith(HAS_ITS_OWN_SIGNATURE):
        takes_any = inspect.Parameter.VAR_KEYWORD in kinds.values()
        missing, positional, unknown = set(), set(), set() if takes_any else listed - kinds.keys()
    else:
        missing, unknown = keyword_only - listed, listed - kinds.keys()
        positional = listed & kinds.keys() - keyword_only
    for name in sorted(missing):
        yield f"lacks the key {name}, which is a keyword-only parameter of {part.target}: add `{name}: <its default>`."
    for name in sorted(unknown):
        yield f"has the key {name}, and {part.target} has no such parameter: remove the key, or add the parameter after `*`."
    for name in sorted(positional):
        yield f"has the key {name}, and in {part.target} it is not keyword-only: move {name} behind `*` in its signature."


def returns_what_the_contract_says(case: Case) -> Iterator[str]:
    """The factory, called as a run calls it, returns the type in dlexp/contract.py."""
    expected = RETURNS[case.part.group]
    made = case.make()
    if not isinstance(made, expected):
        names = (f"a {one.__module__.removeprefix('dlexp.')}.{one.__name__}" for one in expected if one is not type(None))
        wanted = " or ".join([*names, *(["None"] if type(None) in expected else [])])
        yield f"{case.part.target} returns a {type(made).__name__}, and a factory of {case.part.group} must return {wanted}."
