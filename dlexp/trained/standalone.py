"""Load a model that `dlexp export weights` has written. This needs torch and safetensors, and not dlexp.

    from load import load  # this file, in the folder with model.json and model.safetensors

    model = load("FOLDER")
    outputs = model(inputs)

Inputs are raw, as they were before any scaling: images uint8 [N, C, H, W], features float32 [N, F], series float32 [N, T, F].
Outputs are float32 [N, K], computed in float32. model.json names the classes: a softmax over K gives their probabilities.
"""

import json
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

# What a model may consist of: these functions of torch.ops.aten, and `getitem`. A model.json that names others is refused.
_NAMES = """
    adaptive_avg_pool2d.default add.Tensor amax.default avg_pool2d.default batch_norm.default bmm.default cat.default
    celu.default chunk.default clamp.default clone.default conv1d.default conv2d.default cos.default detach.default
    detach_.default div.Tensor dropout.default elu.default embedding.default exp.default expand.default flatten.using_ints
    gelu.default getitem group_norm.default gru.input gt.Scalar hardsigmoid.default hardswish.default hardtanh.default
    instance_norm.default layer_norm.default leaky_relu.default lift_fresh_copy.default linear.default log.default
    log_softmax.int lstm.input lt.Scalar matmul.default max_pool2d.default mean.dim mish.default mul.Scalar mul.Tensor
    neg.default new_zeros.default permute.default pow.Tensor_Scalar prelu.default relu.default relu6.default reshape.default
    rms_norm.default rsqrt.default scaled_dot_product_attention.default select.int selu.default sigmoid.default silu.default
    sin.default slice.Tensor softmax.int softplus.default sqrt.default square.default squeeze.dim stack.default sub.Tensor
    sum.dim_IntList sym_size.int tanh.default to.dtype transpose.int unbind.int unsqueeze.default view.default where.self
    zeros.default
"""
OPERATIONS = frozenset(_NAMES.split())


def load(folder: str | Path, device: str = "cpu") -> Callable[[Tensor], Tensor]:
    """Load a model: a function from raw inputs, on this device, to outputs."""
    described = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
    if described.get("unfinished"):
        raise ValueError(f"{folder} holds an export that was interrupted: make it again with dlexp export weights")
    return build(described, load_file(Path(folder, "model.safetensors"), device=device))


def build(described: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Build the function from the content of model.json and the weights."""
    preprocessing = described["preprocessing"]
    layout = torch.channels_last if described["channels_last"] else torch.contiguous_format
    weights = {
        name: tensor.contiguous(memory_format=layout) if tensor.dim() == 4 else tensor for name, tensor in weights.items()
    }
    steps = [
        (step["name"], _find_operation(step["operation"]), step["arguments"], step["options"]) for step in described["steps"]
    ]

    def compute(inputs: Tensor) -> Tensor:
        values: dict[str, Any] = {"inputs": inputs}
        for name, operation, arguments, options in steps:
            given = [_fill_in(argument, values, weights) for argument in arguments]
            values[name] = operation(*given, **{key: _fill_in(option, values, weights) for key, option in options.items()})
        return values[described["output"]].float()

    @torch.no_grad()
    def model(inputs: Tensor) -> Tensor:
        shift, factor = (torch.tensor(preprocessing[name], device=inputs.device) for name in ("shift", "factor"))
        if preprocessing["fill"] is not None:
            inputs = torch.where(inputs.isnan(), torch.tensor(preprocessing["fill"], device=inputs.device), inputs)
        scaled = inputs.sub(shift).mul_(factor).contiguous(memory_format=layout)
        if described["test_flip"]:  # the mean over an image and its mirror image
            return (compute(scaled) + compute(scaled.flip(-1))) / 2
        return compute(scaled)

    return model


def _find_operation(name: str) -> Callable[..., Any]:
    if name not in OPERATIONS:
        raise ValueError(f"model.json: {name} is not an operation of a model")
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload) if overload else operator.getitem


def _fill_in(argument: Any, values: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Any:
    """An argument of a step, in which {"value": NAME} is the result of a step and {"weight": NAME} a tensor of the file."""
    if isinstance(argument, list):
        return [_fill_in(item, values, weights) for item in argument]
    if not isinstance(argument, dict):
        return argument
    ((kind, name),) = argument.items()
    if kind == "dtype":
        return {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64, "bool": torch.bool}[name]
    return {"value": values, "weight": weights}[kind][name] if kind != "device" else values["inputs"].device
