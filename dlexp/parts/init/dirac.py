"""Convolutions initialised as partial identities: `init=dirac`."""

from torch import nn

from dlexp.contract import ConfigError, Examples
from dlexp.parts.init.layers import fill_dirac


def dirac(model: nn.Module, examples: Examples) -> None:
    """Make the first C outputs of each convolution equal to its C inputs. Other parameters are not changed.

    Raises:
        ConfigError: If the model has no convolution.

    Source: Jordan 2024, arXiv:2404.00498, section 3.3.
    """
    if not any(isinstance(layer, nn.Conv2d) for layer in model.modules()):
        raise ConfigError("init=dirac needs convolutions, and this model has none: use init=default.")
    fill_dirac(model)
