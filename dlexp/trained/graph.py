"""Write down what a model computes, as steps that are plain data: one function of torch each."""

import operator
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node

from dlexp.trained.standalone import OPERATIONS

WITHOUT_EFFECT = "_assert_tensor_metadata.default"  # torch.export checks dtypes with it
DTYPES = {torch.float32: "float32", torch.float64: "float64", torch.int64: "int64", torch.bool: "bool"}
LEFT_OUT = ("pin_memory", "layout")  # options of functions that make tensors


class NotPlainError(ValueError):
    """A model that is more than a list of known functions, and why."""


def trace(model: nn.Module, example: Tensor) -> tuple[list[dict[str, Any]], str, dict[str, Tensor]]:
    """Write down what a model computes for a batch of any size.

    Args:
        model: In eval mode, on the CPU, in float32.
        example: Scaled inputs, at least two.

    Returns:
        The steps as standalone.py reads them, the name of the step with the outputs, and the tensors that the steps refer to by
        name: those of the model's state dict under their names there, and constants.

    Raises:
        NotPlainError: If the model's Python code depends on its inputs, or if it calls other functions than `OPERATIONS`.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # that an LSTM sets attributes
            program = torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    except Exception as error:  # of any kind: the model's own code runs
        raise NotPlainError(f"torch.export cannot follow it ({type(error).__name__})") from error
    signature = program.graph_signature
    weights = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.op == "call_function" and _name_operation(node) == WITHOUT_EFFECT:
            graph.erase_node(node)
    graph.eliminate_dead_code()
    (given,) = signature.user_inputs
    references = {name: {"weight": weight} for name, weight in weights.items()} | {given: {"value": "inputs"}}
    nodes = [node for node in graph.nodes if node.op not in ("placeholder", "output")]
    references |= {node.name: {"value": node.name} for node in nodes}
    steps = [_describe_step(node, references) for node in nodes]
    (output,) = signature.user_outputs
    return steps, str(output), {name: program.constants[name] for name in weights.values() if name in program.constants}


def _name_operation(node: Node) -> str:
    if node.target is operator.getitem:
        return "getitem"
    return str(node.target).removeprefix("aten.")


def _describe_step(node: Node, references: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    name = _name_operation(node)
    if node.op != "call_function" or name not in OPERATIONS:
        raise NotPlainError(f"it uses {name}")
    options = {key: _describe(value, references) for key, value in node.kwargs.items() if key not in LEFT_OUT}
    return {
        "name": node.name,
        "operation": name,
        "arguments": [_describe(argument, references) for argument in node.args],
        "options": options,
    }


def _describe(argument: Any, references: Mapping[str, dict[str, str]]) -> Any:
    """An argument of a function as JSON."""
    if isinstance(argument, Node):
        return references[argument.name]
    if isinstance(argument, list | tuple):
        return [_describe(item, references) for item in argument]
    if isinstance(argument, torch.device):
        return {"device": argument.type}
    if isinstance(argument, torch.dtype) and argument in DTYPES:
        return {"dtype": DTYPES[argument]}
    if argument is None or isinstance(argument, bool | int | float | str):
        return argument
    raise NotPlainError(f"it uses the argument {argument}")
