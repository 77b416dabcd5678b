"""Finds the activation layers of a model, and observes their inputs and outputs."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.contract import ConfigError

ACTIVATION = re.compile(r"(.+\.)?(act\d*|relu)")  # relu: torchvision's name for the first activation of a resnet, of any kind

Observe = Callable[[str, nn.Module, Tensor, Tensor], None]
"""Takes the path of a layer, the layer, its inputs and its outputs."""


def find_activation_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Find the modules that apply the model's activation: path → module, in the order of their definition.

    Raises:
        ConfigError: If there are none.
    """
    layers = {path: module for path, module in model.named_modules() if ACTIVATION.fullmatch(path)}
    if not layers:
        raise ConfigError(
            "needs an activation layer, and the model has none: use a depth of at least 1, or model=mlp or convnet."
        )
    return layers


def observe_layers(model: nn.Module, layers: dict[str, nn.Module], inputs: Tensor, observe: Observe) -> None:
    """Run the model without gradient, and call `observe` after each of these layers."""

    def hook(path: str, layer: nn.Module, arguments: tuple[Any, ...], outputs: Tensor) -> None:
        observe(path, layer, arguments[0], outputs)

    handles = [layer.register_forward_hook(partial(hook, path)) for path, layer in layers.items()]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
