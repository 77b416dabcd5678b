"""Checks of what sets and changes the weights: init, optimizer, scheduler."""

import io
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, get_args, get_type_hints

import torch
from torch import nn

from dlexp.contract import Horizon, Schedule
from dlexp.contract_checks.case import HORIZON, SEED, Case
from dlexp.contract_checks.finding import is_same

NUM_STEPS = 3  # before a state is saved, and after it is loaded
EVERY = get_args(get_type_hints(Schedule)["every"])
VALUE = 1.0  # that the metric has, for a schedule that watches one


def fills_in_place(case: Case) -> Iterator[str]:
    """An init changes the values of the model's parameters, not the parameters, and gives finite weights."""
    model = case.make_model()
    before = dict(model.named_parameters())
    case.factory(model, case.spread_examples)
    after = dict(model.named_parameters())
    if before.keys() != after.keys() or any(before[name] is not after[name] for name in before):
        yield f"{case.part.target} replaces parameters of the model; it must fill them in place, as torch.nn.init does."
    if wrong := [name for name, parameter in after.items() if not parameter.isfinite().all()]:
        yield f"{case.part.target} sets {wrong[0]} to values that are not finite."


def fills_from_the_seed(case: Case) -> Iterator[str]:
    """The same seed gives the same weights."""
    models = []
    for _ in range(2):
        models.append(case.make_model())
        torch.manual_seed(SEED)
        case.factory(models[-1], case.spread_examples)
    if not is_same(models[0].state_dict(), models[1].state_dict(), torch.equal):
        yield f"{case.part.target} gives other weights with the same seed; it must draw from torch's global generator alone."


def updates_every_parameter(case: Case) -> Iterator[str]:
    """An optimizer holds every parameter once and changes each that has a gradient."""
    model = case.make_model()
    optimizer = case.factory(model.named_parameters())
    parameters = dict(model.named_parameters())
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    for name, parameter in parameters.items():
        if parameter.requires_grad and held.count(id(parameter)) != 1:
            yield f"{case.part.target} holds {name} {held.count(id(parameter))} times; it must hold every parameter once."
            return
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    _step(model, optimizer)
    for name, parameter in parameters.items():
        if not parameter.isfinite().all():
            yield f"{case.part.target} sets {name} to values that are not finite after one step."
        elif parameter.requires_grad and torch.equal(parameter, before[name]):
            yield f"{case.part.target} does not change {name} in a step with a gradient of normal random numbers."


def resumes_an_optimizer(case: Case) -> Iterator[str]:
    """An optimizer that loads a saved state goes on to the last bit."""
    model = case.make_model()
    optimizer = case.factory(model.named_parameters())
    for step in range(NUM_STEPS):
        _step(model, optimizer, step)
    resumed = deepcopy(model)
    again = case.factory(resumed.named_parameters())
    again.load_state_dict(_saved(optimizer.state_dict()))
    for step in range(NUM_STEPS, 2 * NUM_STEPS):
        for net, one in ((model, optimizer), (resumed, again)):
            _step(net, one, step)
    for name, parameter in model.named_parameters():
        if not torch.equal(parameter, resumed.get_parameter(name)):
            yield (
                f"{case.part.target} goes on otherwise after its state_dict was saved and loaded ({name} differs): "
                "what it remembers between steps must be in self.state or self.param_groups."
            )
            return


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int = SEED) -> None:
    """One step with a gradient of normal random numbers."""
    random = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random) if parameter.requires_grad else None
    optimizer.step()


def _saved(state: dict[str, Any]) -> dict[str, Any]:
    """The state after it was saved and loaded as a checkpoint is."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def gives_learning_rates(case: Case) -> Iterator[str]:
    """A schedule gives finite learning rates of 0 or more to the end of any horizon, and says when it steps."""
    name = case.part.target
    for horizon in (Horizon(1, 1), Horizon(2, 3), HORIZON):
        optimizer, schedule = _start(case, horizon)
        if schedule.every not in EVERY:
            yield f"{name} steps every {schedule.every!r}; it must be one of {', '.join(EVERY)}."
            return
        num = horizon.num_steps if schedule.every == "step" else horizon.num_epochs
        rates = [_rate(optimizer), *(_advance(optimizer, schedule) for _ in range(num))]
        if wrong := [rate for rate in rates if not (0 <= rate < float("inf"))]:
            yield f"{name} gives the learning rate {wrong[0]} in a run of {num}; it must be finite and at least 0."
            return
        if not any(rates[:-1]):
            yield f"{name} gives the learning rate 0 throughout a run of {num}: nothing would be trained."


def resumes_a_schedule(case: Case) -> Iterator[str]:
    """A schedule that loads a saved state gives the learning rates that it would have given."""
    optimizer, schedule = _start(case, HORIZON)
    for _ in range(NUM_STEPS):
        _advance(optimizer, schedule)
    other, again = _start(case, HORIZON)
    other.load_state_dict(_saved(optimizer.state_dict()))
    again.scheduler.load_state_dict(_saved(schedule.scheduler.state_dict()))
    num = HORIZON.num_steps if schedule.every == "step" else HORIZON.num_epochs
    expected, rates = ([_advance(*pair) for _ in range(num - NUM_STEPS)] for pair in ((optimizer, schedule), (other, again)))
    if expected != rates:
        yield (
            f"{case.part.target} gives the learning rates {rates[:2]} after its state was saved and loaded, and would have "
            f"given {expected[:2]}: what it remembers must be in the scheduler's state_dict."
        )


def _start(case: Case, horizon: Horizon) -> tuple[torch.optim.Optimizer, Schedule]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    return optimizer, case.factory(optimizer, horizon)


def _advance(optimizer: torch.optim.Optimizer, schedule: Schedule) -> float:
    optimizer.step()
    schedule.scheduler.step(*([VALUE] if schedule.every == "metric" else []))  # type: ignore[arg-type]
    return _rate(optimizer)


def _rate(optimizer: torch.optim.Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])
