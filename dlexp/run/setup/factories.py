"""Turn a checked config into factories and data: the only place where a `_target_` becomes an object."""

import json
import pickle
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache, partial
from typing import Any, NamedTuple, get_args

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from dlexp.config.lab_options import INSTALLED, MEANT_WITHOUT, READ_BY_THE_RUN
from dlexp.config.values import format_value
from dlexp.contract import ConfigError, Dataset, Source
from dlexp.data.in_turn import InTurn
from dlexp.data.prepare import prepare
from dlexp.run.setup.lab_modules import with_full_targets
from dlexp.training.class_weight import ClassWeighted, choose_weights
from dlexp.training.probing import PlannedProbe, ProbeMode

NO_AVERAGE = "dlexp.parts.average.none.none"


def make_factory(config: Mapping[str, Any], group: str) -> Callable[..., Any]:
    """Make the factory of a group's option, with its hyper-parameters. The config must have passed `check`."""
    return _combine(_instantiate(_list_keys(config, group)))


def _combine(made: Any) -> Callable[..., Any]:
    """The factory of a group, of one option's or of those of a combination by name."""
    return partial(InTurn, made) if isinstance(made, dict) else made


def _list_keys(config: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The keys of a group's option that its factory takes."""
    return {key: value for key, value in config[group].items() if key not in READ_BY_THE_RUN.get(group, ())}


class Part(NamedTuple):
    """The factory of a group's option as a value: those of equal options are equal, so what is found out about one can be kept.

    Args:
        keys: The option's keys, pickled.
        version: Identifies the sources of what is taken from a lab.
    """

    keys: bytes
    version: str

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """What the factory makes."""
        made = _instantiate(pickle.loads(self.keys))  # noqa: S301  # pickled by `describe_part`
        return _combine(made)(*args, **settings)


def describe_part(config: Mapping[str, Any], group: str, version: str) -> Part:
    """The factory of a group's option as a value. The config must have passed `check`."""
    return Part(pickle.dumps(_list_keys(config, group)), version)


def _instantiate(keys: Any) -> Any:
    """The factory that an option describes. Hydra takes milliseconds for it, so one that holds only settings is copied."""
    return deepcopy(_instantiate_once(pickle.dumps(keys))) if _holds_only_settings(keys) else _instantiate_by_hydra(keys)


def _instantiate_by_hydra(keys: Any) -> Any:
    return instantiate(OmegaConf.create(with_full_targets(keys)), _convert_="all")


@lru_cache(maxsize=256)
def _instantiate_once(keys: bytes) -> Any:
    return _instantiate_by_hydra(pickle.loads(keys))  # noqa: S301  # pickled by `_instantiate`


def _holds_only_settings(keys: Any) -> bool:
    """Whether nothing is made before the factory is called, and whether its code cannot be edited, as that of a lab can be."""
    if isinstance(keys, Mapping):
        is_partial = "_target_" not in keys or keys.get("_partial_") is True and keys["_target_"].startswith(INSTALLED)
        return is_partial and all(map(_holds_only_settings, keys.values()))
    return all(map(_holds_only_settings, keys)) if isinstance(keys, list) else True


def make_optimizer(config: Mapping[str, Any], model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a run, over all parameters of its model."""
    make, named = make_factory(config, "optimizer"), list(model.named_parameters())
    without = MEANT_WITHOUT["optimizer"]["decay_norm_and_bias"]
    if config["optimizer"].get("decay_norm_and_bias", without):
        return make(named)
    decayed, others = ([(name, one) for name, one in named if (one.dim() > 1) == is_matrix] for is_matrix in (True, False))
    return make([{"params": decayed}, {"params": others, "weight_decay": 0.0}])


def make_loss(config: Mapping[str, Any], dataset: Dataset) -> nn.Module:
    """The loss of a run. In a regression `loss.softmax`, which acts on classes, is off."""
    off = {"softmax": False} if dataset.task == "regression" and "softmax" in config["loss"] else {}
    loss: nn.Module = make_factory(config, "loss")(**off)
    asked = _read_class_weight(config)
    if asked == "none":
        return loss
    return ClassWeighted(loss, choose_weights(asked, dataset.train.targets, dataset.num_outputs))


def make_plain_loss(config: Mapping[str, Any], dataset: Dataset) -> nn.Module | None:
    """The loss of a run without label smoothing and class weights, which is recorded; None if it has neither."""
    if not changes_loss(config):
        return None
    plain = {key: value for key, value in {"label_smoothing": 0.0, "class_weight": "none"}.items() if key in config["loss"]}
    return make_loss({**config, "loss": {**config["loss"], **plain}}, dataset)


def changes_loss(config: Mapping[str, Any]) -> bool:
    """Whether the loss that is minimised is not the recorded one: it smooths labels, or weighs classes."""
    return bool(config["loss"].get("label_smoothing")) or _read_class_weight(config) != "none"


def _read_class_weight(config: Mapping[str, Any]) -> Any:
    return config["loss"].get("class_weight", MEANT_WITHOUT["loss"]["class_weight"])


def averages_weights(config: Mapping[str, Any]) -> bool:
    """Whether the run keeps a mean of the weights beside them."""
    return str(config["average"]["_target_"]) != NO_AVERAGE


def make_probes(config: Mapping[str, Any], model: nn.Module, dataset: Dataset) -> dict[str, PlannedProbe]:
    """Make the probes of a run, by name.

    Raises:
        ConfigError: With each probe that has nothing to measure in this model or data, or whose mode there is not.
    """
    made: dict[str, PlannedProbe] = {}
    problems: list[str] = []
    for name, keys in (config.get("probe") or {}).items():
        own = {key: value for key, value in keys.items() if key not in READ_BY_THE_RUN["probe"]}
        mode = keys.get("mode", MEANT_WITHOUT["probe"]["mode"])
        if mode not in get_args(ProbeMode):
            problems.append(f"probe.{name}.mode: must be one of {', '.join(get_args(ProbeMode))}, got {format_value(mode)}.")
            continue
        try:
            made[name] = PlannedProbe(_instantiate(own)(model, dataset), keys["every"], mode)
        except ConfigError as error:
            problems += [f"probe={name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(*problems)
    return made


def load_dataset(config: Mapping[str, Any], version: str = "") -> Dataset:
    """Read and prepare the data of a run.

    Args:
        config: Resolved.
        version: Identifies the content of the user's files and of the lab's modules: with another one all is read again.

    Raises:
        ConfigError: If the data cannot be split as the config says.
        DatasetError: If the data cannot be downloaded or read.
    """
    return _prepare(json.dumps(config["dataset"]), version, config["val_fraction"], config["data_seed"])


def forget_data() -> None:
    """Forget the data that were read: the next run reads them again."""
    _prepare.cache_clear()
    _read.cache_clear()


# Cached for the next runs of a sweep; as JSON, because the keys of a cache must be hashable.
@lru_cache(maxsize=4)
def _prepare(options: str, version: str, val_fraction: float, data_seed: int) -> Dataset:
    reader = json.loads(options)
    without = MEANT_WITHOUT["dataset"]
    common = {key: reader.pop(key, without.get(key)) for key in READ_BY_THE_RUN["dataset"]}
    source = _read(json.dumps(reader), version)
    return prepare(source, **common, val_fraction=val_fraction, data_seed=data_seed)


@lru_cache(maxsize=2)
def _read(options: str, version: str) -> Source:
    return _instantiate(json.loads(options))()
