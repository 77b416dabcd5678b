"""Parts as their YAML files give them, for tests of one part."""

from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from dlexp.config.lab_options import READ_BY_THE_RUN
from dlexp.config.options import read_option
from tests import ROOT

CONF = ROOT / "conf"


def options(group: str) -> list[str]:
    """The options of a group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def make(group: str, option: str, **keys: Any) -> Any:
    """The factory of an option, with some keys changed."""
    merged = OmegaConf.merge(read_option(group, option), keys)
    own = {key: value for key, value in merged.items() if key not in READ_BY_THE_RUN.get(group, ())}
    return instantiate(OmegaConf.create(own), _convert_="all")


def make_model(
    option: str,
    input_shape: tuple[int, ...],
    num_outputs: int = 10,
    *,
    activation: str = "relu",
    norm: str = "none",
    dropout: float = 0.0,
    depth: int = 2,
    width: int = 16,
    **keys: Any,
) -> nn.Module:
    """A model, with some of its own keys changed."""
    read = {"model": option, "activation": activation, "norm": norm}
    config = OmegaConf.create({group: read_option(group, name) for group, name in read.items()})
    config = OmegaConf.merge(config, {"dropout": dropout, "depth": depth, "width": width, "model": keys})
    return instantiate(config.model, _convert_="all")(input_shape, num_outputs)
