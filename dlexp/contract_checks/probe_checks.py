"""Checks of probes: a measurement never changes what it measures."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from dlexp.contract import ProbeResult
from dlexp.contract_checks.case import Case, unchanged_streams
from dlexp.contract_checks.finding import is_same
from dlexp.run.setup.factories import make_loss

NUM_EXAMPLES = 32


def measures_without_changing(case: Case) -> Iterator[str]:
    """A probe returns finite named numbers, the same twice, and leaves weights, buffers, gradients and modes as they were."""
    name, model = case.part.target, case.make_model().eval()
    probe, loss = case.factory(model, case.dataset), make_loss(case.config, case.dataset)
    inputs, targets = case.spread_examples(NUM_EXAMPLES), case.spread_targets(NUM_EXAMPLES)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, problems = _read_state(model), list[str]()
    with unchanged_streams(problems, "when it measures"):
        measured = probe(inputs, targets, loss)
    if not isinstance(measured, ProbeResult):
        yield f"{name} returns a {type(measured).__name__}; a probe must return a dlexp.contract.ProbeResult."
        return
    if not is_same(before, _read_state(model), _equal):
        yield f"{name} changes the model: its weights, buffers, gradients or modes differ after the measurement."
    yield from (f"{name} {problem}; it must not, or the run would go on otherwise." for problem in problems)
    yield from _check_result(name, measured)
    again = probe(inputs, targets, loss)
    if not is_same([*measured], [*again], _equal):
        yield f"{name} measures other numbers on the same model and batch when it is called again."


def _check_result(name: str, measured: ProbeResult) -> Iterator[str]:
    if not measured.scalars and not measured.arrays:
        yield f"{name} measures nothing: scalars and arrays are empty."
    for layer, scalar, value in measured.scalars:
        if not layer or not scalar or not np.isfinite(value):
            yield f"{name} gives the value {value} for layer {layer!r}, name {scalar!r}; each needs both and a finite value."
            return
    for array, values in measured.arrays.items():
        if not isinstance(values, np.ndarray):
            yield f"{name} gives a {type(values).__name__} as the array {array!r}; it must be a NumPy array."


def _read_state(model: nn.Module) -> dict[str, object]:
    """Everything of a model that training depends on."""
    return {
        "tensors": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "gradients": {name: p.grad.clone() if p.grad is not None else None for name, p in model.named_parameters()},
        "trained": {name: parameter.requires_grad for name, parameter in model.named_parameters()},
        "modes": {name: module.training for name, module in model.named_modules()},
        "hooks": {name: len(module._forward_hooks) for name, module in model.named_modules()},
    }


def _equal(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return one == other
