"""Convolutions that start as partial identities: `init=dirac`."""

from torch import nn

from dlexp.contract import ConfigError, Examples
from dlexp.parts.init import fill_dirac


def dirac(model: nn.Module, examples: Examples) -> None:
    """Each convolution passes its C inputs on as its first C outputs; everything else stays as it was built.

    Raises:
        ConfigError: If there is no convolution.

    Source: Jordan 2024, arXiv:2404.00498, section 3.3.
    """
    if not any(isinstance(layer, nn.Conv2d) for layer in model.modules()):
        raise ConfigError("init=dirac needs convolutions, and this model has none: use init=default.")
    fill_dirac(model)
