"""Looking into a model's activation layers while it computes."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.contract import ConfigError

ACTIVATION = re.compile(r"(.+\.)?(act\d*|relu)")  # relu: torchvision's name for a ResNet's first one, whatever stands there

Look = Callable[[str, nn.Module, Tensor, Tensor], None]
"""Takes a layer's path, the layer, its inputs and its outputs."""


def activation_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Path → module, of each place where a model applies its activation, in the order in which they were defined.

    Raises:
        ConfigError: If there is none.
    """
    layers = {path: module for path, module in model.named_modules() if ACTIVATION.fullmatch(path)}
    if not layers:
        raise ConfigError(
            "needs an activation layer, and the model has none: use a depth of at least 1, or model=mlp or convnet."
        )
    return layers


def look_into(model: nn.Module, layers: dict[str, nn.Module], inputs: Tensor, look: Look) -> None:
    """Compute the model's outputs without gradient, and let `look` see each of the layers at work."""

    def show(path: str, layer: nn.Module, given: tuple[Any, ...], outputs: Tensor) -> None:
        look(path, layer, given[0], outputs)

    handles = [layer.register_forward_hook(partial(show, path)) for path, layer in layers.items()]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
