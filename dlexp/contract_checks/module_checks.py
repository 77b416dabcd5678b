"""Checks of the parts that are modules: activation, norm, loss and model."""

import pickle
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError, gradcheck

from dlexp.contract_checks.case import NUM_FEATURES, SEED, Case, unchanged_streams
from dlexp.contract_checks.finding import NotTried

SHAPES = {
    "activation": [(4, 8), (4, 6, 8), (4, 8, 5, 5)],
    "norm": [(6, NUM_FEATURES), (6, NUM_FEATURES, 3, 5)],
}
NUM_EXAMPLES = 6  # of the batches for models and losses
NUM_CLASSES = 4
NUM_MORE_OUTPUTS = 3


class Trial(NamedTuple):
    """One input that a module is called with.

    Args:
        name: For messages, such as `an input [4, 8]`.
        arguments: What it is called with; a gradient may flow to the first.
    """

    name: str
    arguments: tuple[Tensor, ...]


def list_trials(case: Case) -> list[Trial]:
    """The inputs that a module of the group must take."""
    random = torch.Generator().manual_seed(SEED)
    group = case.part.group
    if group == "model":
        inputs = case.spread_examples(NUM_EXAMPLES)
        return [Trial(f"an input {list(inputs.shape)}", (inputs,))]
    if group == "loss":
        return _list_losses_trials(case, random)
    shapes = SHAPES[group]
    return [Trial(f"an input {list(shape)}", (torch.randn(shape, generator=random),)) for shape in shapes]


def _list_losses_trials(case: Case, random: torch.Generator) -> list[Trial]:
    outputs = torch.randn(NUM_EXAMPLES, NUM_CLASSES, generator=random)
    labels = torch.arange(NUM_EXAMPLES) % NUM_CLASSES
    soft = torch.rand(NUM_EXAMPLES, NUM_CLASSES, generator=random).softmax(1)
    return [Trial("labels", (outputs, labels)), Trial("soft targets", (outputs, soft))]


def list_accepted(case: Case, module: nn.Module) -> tuple[list[Trial], list[NotTried]]:
    """The trials that a module takes. A norm may refuse one kind of input with a ValueError, as norm=in refuses features."""
    trials = list_trials(case)
    if case.part.group != "norm":
        return trials, []
    accepted, refused, error = [], [], None
    for trial in trials:
        try:
            deepcopy(module)(*trial.arguments)
            accepted.append(trial)
        except ValueError as refusal:
            error = refusal
            refused.append(NotTried(f"refuses {trial.name}: {refusal}"))
    if error and not accepted:
        raise error
    return accepted, refused


def keeps_shape(case: Case) -> Iterator[str | NotTried]:
    """An activation or a norm returns the shape and dtype that it gets, and finite numbers."""
    module, group = case.make(), case.part.group
    trials, refused = list_accepted(case, module)
    yield from refused
    for name, (inputs,) in trials:
        outputs = module(inputs.clone())
        if not isinstance(outputs, Tensor):
            yield f"{case.part.target} returns a {type(outputs).__name__} for {name}; it must return a tensor."
        elif outputs.shape != inputs.shape:
            yield (
                f"{case.part.target} returns the shape {list(outputs.shape)} for {name}; "
                f"every {group} must return the shape that it gets."
            )
        elif outputs.dtype != inputs.dtype:
            yield f"{case.part.target} returns {outputs.dtype} for float32 inputs; it must return the dtype that it gets."
        elif not outputs.isfinite().all():
            yield f"{case.part.target} returns numbers that are not finite for {name} of normal random numbers."


def has_one_output_per_class(case: Case) -> Iterator[str]:
    """A model maps [B, *input_shape] to [B, num_outputs], whatever `num_outputs`, in training and in evaluation."""
    shape, usual = case.dataset.input_shape, case.dataset.num_outputs
    inputs = case.spread_examples(NUM_EXAMPLES)
    for num_outputs in (usual, usual + NUM_MORE_OUTPUTS):
        model = case.factory(shape, num_outputs)
        for mode, batch in ((model.train(), inputs), (model.eval(), inputs[:1])):
            outputs = mode(batch)
            expected = (len(batch), num_outputs)
            if outputs.shape != expected:
                yield (
                    f"{case.part.target} returns the shape {list(outputs.shape)} for an input {list(batch.shape)} with "
                    f"num_outputs={num_outputs}; a model must return {list(expected)}."
                )
                return
        if not outputs.isfinite().all():
            yield f"{case.part.target} returns numbers that are not finite before it is trained."


def is_a_mean(case: Case) -> Iterator[str]:
    """A loss is a finite scalar, the mean over the batch; one-hot targets count as their labels."""
    loss, name = case.make(), case.part.target
    (_, (outputs, labels)), (_, (_, soft)) = list_trials(case)
    for kind, targets in (("labels", labels), ("soft targets", soft)):
        value = loss(outputs, targets)
        if not isinstance(value, Tensor) or value.shape != ():
            got = f"the shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            yield f"{name} returns {got} for {kind}; a loss must return a scalar, the mean over the batch."
            return
        if not value.isfinite():
            yield f"{name} returns {value.item()} for {kind}; a loss must be finite."
        if not torch.allclose(loss(torch.cat([outputs] * 2), torch.cat([targets] * 2)), value, rtol=1e-4):
            yield f"{name} returns another value for {kind} when the batch comes twice; a loss must be a mean over the batch."
    one_hot = nn.functional.one_hot(labels, NUM_CLASSES).float()
    if not torch.allclose(loss(outputs, labels), loss(outputs, one_hot), rtol=1e-4):
        yield f"{name} returns another value for labels than for the same labels as one-hot soft targets."


def has_gradients(case: Case) -> Iterator[str]:
    """A finite gradient reaches the input and every parameter that is trained."""
    module, name = case.make(), case.part.target
    trials, _ = list_accepted(case, module)
    for trial in trials:
        inputs, *others = (argument.clone() for argument in trial.arguments)
        inputs.requires_grad_()
        outputs = module(inputs, *others)
        if not outputs.requires_grad:
            yield f"no gradient can flow through {name} for {trial.name}: its output depends on no parameter and no input."
            return
        weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(SEED))
        (outputs * weights).sum().backward()
        gradients = {f"the parameter {path}": p.grad for path, p in module.named_parameters() if p.requires_grad}
        for what, gradient in {"the input": inputs.grad, **gradients}.items():
            if gradient is None:
                yield f"{what} of {name} gets no gradient for {trial.name}."
            elif not gradient.isfinite().all():
                yield f"{what} of {name} gets a gradient that is not finite for {trial.name}."
        if case.part.group in ("activation", "loss") and inputs.grad is not None and not inputs.grad.any():
            yield f"the gradient of {name} is 0 at every one of {inputs.numel()} inputs: nothing before it can be trained."


def has_the_right_gradient(case: Case) -> Iterator[str]:
    """The gradient of an activation or a loss equals that of finite differences, in float64."""
    module = case.make().double().eval()
    inputs, *others = list_trials(case)[0].arguments
    inputs = inputs[:3].double().requires_grad_()
    others = [other[:3] for other in others]
    try:
        gradcheck(lambda outputs: module(outputs, *others), (inputs,))
    except GradcheckError as error:
        line = str(error).strip().splitlines()[0]
        yield f"the gradient of {case.part.target} is not that of finite differences in float64: {line}"


def leaves_inputs_alone(case: Case) -> Iterator[str]:
    """A module does not change its input in place: the same tensor goes elsewhere, for example into a shortcut."""
    module = case.make()
    for trial in list_accepted(case, module)[0]:
        before = [argument.clone() for argument in trial.arguments]
        with torch.no_grad():
            module(*trial.arguments)
        if not all(map(torch.equal, before, trial.arguments)):
            yield f"{case.part.target} changes {trial.name} in place; it must compute a new tensor."


def is_deterministic(case: Case) -> Iterator[str]:
    """The same seed gives the same numbers, and evaluation draws no random numbers and gives the same twice."""
    modules = [case.make(), case.make()]
    name = case.part.target
    for trial in list_accepted(case, modules[0])[0]:
        trained = []
        for module in modules:
            torch.manual_seed(SEED)
            trained.append(module.train()(*_clones(trial)))
        if not torch.equal(*trained):
            yield f"two of {name} built and called with the same seed return different numbers for {trial.name}."
        problems: list[str] = []
        module = modules[0].eval()
        with torch.no_grad(), unchanged_streams(problems, "in eval mode"):
            first, second = module(*_clones(trial)), module(*_clones(trial))
        if problems or not torch.equal(first, second):
            drawn = f" ({problems[0]})" if problems else ""
            yield f"{name} is random in eval mode{drawn}; only training may be, where self.training is true."
            return


def can_be_copied(case: Case) -> Iterator[str]:
    """A pickled copy, a deep copy, and a new module that loads the state dict return the same to the last bit."""
    module, fresh = case.make(), case.make()
    trials, _ = list_accepted(case, module)
    module.train()(*_clones(trials[-1]))  # so that running statistics differ from those of a new module
    copies: dict[str, Callable[[], nn.Module]] = {
        "deep copy": lambda: deepcopy(module),
        "pickled copy": lambda: pickle.loads(pickle.dumps(module)),  # its own bytes
        "new module with its state dict": lambda: _with_state(fresh, module),
    }
    with torch.no_grad():
        expected = module.eval()(*_clones(trials[-1]))
        for kind, copy in copies.items():
            if not torch.equal(copy().eval()(*_clones(trials[-1])), expected):
                yield f"a {kind} of {case.part.target} returns other numbers: its state must be in parameters and buffers."


def _with_state(fresh: nn.Module, module: nn.Module) -> nn.Module:
    fresh.load_state_dict(deepcopy(module.state_dict()))
    return fresh


def _clones(trial: Trial) -> list[Tensor]:
    return [argument.clone() for argument in trial.arguments]
