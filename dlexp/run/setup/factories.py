"""From a checked config to factories and data: the only place where a name in a config becomes an object."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from dlexp.contract import ConfigError, Dataset, Probe, Source, Task
from dlexp.data.prepare import prepare


def part(config: Mapping[str, Any], group: str) -> Callable[..., Any]:
    """The factory that a group's option names, with its hyper-parameters. The config must have passed `config.check`."""
    return instantiate(OmegaConf.create(config[group]), _convert_="all")


def make_loss(config: Mapping[str, Any], task: Task) -> nn.Module:
    """The loss of a run. In a regression `loss.softmax`, which acts on classes, is off."""
    off = {"softmax": False} if task == "regression" and "softmax" in config["loss"] else {}
    return part(config, "loss")(**off)


def make_probes(config: Mapping[str, Any], model: nn.Module, dataset: Dataset) -> dict[str, tuple[Probe, int]]:
    """The probes of a run, by name, each with the number of epochs between two measurements.

    Raises:
        ConfigError: With each one that has nothing to measure in this model or data.
    """
    made: dict[str, tuple[Probe, int]] = {}
    problems: list[str] = []
    for name, keys in (config.get("probe") or {}).items():
        own = {key: value for key, value in keys.items() if key != "every"}
        try:
            made[name] = instantiate(OmegaConf.create(own), _convert_="all")(model, dataset), keys["every"]
        except ConfigError as error:
            problems += [f"probe={name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(*problems)
    return made


def load_dataset(config: Mapping[str, Any]) -> Dataset:
    """The prepared data of a run.

    Raises:
        ConfigError: If the data cannot be cut as the config says.
        DatasetError: If it cannot be fetched or read.
    """
    return _prepare(json.dumps(config["dataset"]), config["val_fraction"], config["data_seed"])


# Kept in memory for the next runs of a sweep; JSON, because a cache needs keys that can be hashed.
@lru_cache(maxsize=4)
def _prepare(options: str, val_fraction: float, data_seed: int) -> Dataset:
    reader = json.loads(options)
    common = {key: reader.pop(key) for key in ("per_class", "scale", "scale_on")}
    source = _read(json.dumps(reader))
    return prepare(source, **common, val_fraction=val_fraction, data_seed=data_seed)


@lru_cache(maxsize=2)
def _read(options: str) -> Source:
    return instantiate(json.loads(options), _convert_="all")()
