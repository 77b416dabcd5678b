"""Load a finished run: its config, how its inputs were preprocessed, its model and its data.

A run folder may come from anybody. Its config passes the checks of a command, so it can name no code but the parts of dlexp and
of the lab in use, and nothing in the folder is executed or unpickled.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dlexp.config.compose import Composed
from dlexp.config.options import read_option, traits
from dlexp.config.values import Tree, format_value, make_printable, resolve
from dlexp.contract import Dataset
from dlexp.data.preprocessing import Preprocessing, describe_preprocessing
from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.device import find_device
from dlexp.run.execute import read_dataset
from dlexp.run.plan import path_keys, plan
from dlexp.run.record.checkpoint import FOLDER, WEIGHTS
from dlexp.run.setup.factories import make_factory
from dlexp.run.setup.lab_modules import import_parts, users_errors
from dlexp.trained.saved_files import read_composed, read_preprocessing, read_summary, read_tuned_hardware
from dlexp.trained.weights import build_model


@dataclass(frozen=True)
class Trained:
    """A finished run. `load_trained` makes it.

    Args:
        folder: The folder of the run.
        composed: Its config, as a command would compose it.
        hardware: Its settings of the group hardware, with those that were measured at its start.
        summary: The content of summary.json.
        preprocessing: How raw inputs became those of the model.
    """

    folder: Path
    composed: Composed
    hardware: dict[str, Any]
    summary: dict[str, Any]
    preprocessing: Preprocessing

    @property
    def id(self) -> str:
        """The id of the run, 12 hexadecimal digits."""
        return str(self.summary["id"])

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config. Not to be changed by the caller."""
        return self.composed.tree

    @property
    def choices(self) -> dict[str, str]:
        """Group → option."""
        return self.composed.choices

    def model(self, device: str | torch.device = "cpu") -> nn.Module:
        """Build the model with the weights that were tested, in eval mode, in the memory layout of the run.

        torch's global state is not changed, and neither is its random state.

        Args:
            device: `cpu`, `cuda`, `auto`, or a device of torch.

        Raises:
            ConfigError: If the run has no test loss: its weights are not finite, or no step changed them.
            CheckpointError: If checkpoints/best.pt is missing, damaged, or does not fit the config.
            UnsupportedError: If this machine lacks the device.
        """
        self._check_usable()
        place = device if isinstance(device, torch.device) else find_device(device)
        shape, num_outputs = self.preprocessing.input_shape, self.preprocessing.num_outputs
        with users_errors():
            import_parts(self.config, self.choices, self.summary.get("sources", {}))
            make = make_factory(self.config, "model")
            model = build_model(lambda: make(shape, num_outputs), self.folder / FOLDER / WEIGHTS)
        return model.to(memory_format=self.memory_format).to(place)

    def _check_usable(self) -> None:
        """Refuse weights that give no predictions."""
        metrics = self.summary.get("metrics")
        if not isinstance(metrics, dict) or metrics.get("test/loss", 0) is not None:
            return
        reason = self.summary.get("reason", "its outputs on the test split are not finite")
        raise ConfigError(f"{make_printable(self.folder.name)}: the run has no usable model: {make_printable(str(reason))}.")

    @property
    def memory_format(self) -> torch.memory_format:
        """The memory layout of images and convolutions in the run."""
        return torch.channels_last if self.hardware["channels_last"] else torch.contiguous_format

    def dataset(self, **paths: str | Path) -> Dataset:
        """Read the splits that the run used, scaled as they were.

        Args:
            paths: Where the files are now, if they were moved: `data_dir`, or a key of the data set that names a folder or
                file, such as `root`. Relative paths are relative to the current folder, also those in the run's config.

        Raises:
            ConfigError: If there are no such files, or no such key.
            DatasetError: If the files cannot be read, or are not those that the run used.
        """
        return _read_dataset(self.folder, self.composed, self.id, {key: str(path) for key, path in paths.items()})


def load_trained(folder: str | Path) -> Trained:
    """Load a finished run.

    Args:
        folder: The folder of the run; `find_run` finds it by its id.

    Raises:
        ConfigError: If the run is not finished, if a file of it is missing or damaged, if its config is not one that a command
            could have, or if it used parts of a lab that is not in use or was edited since.
        CheckpointError: If its tuned.json is damaged.
    """
    folder = Path(folder).expanduser()
    summary = read_summary(folder)
    composed = read_composed(folder, summary)
    preprocessing = read_preprocessing(folder)
    if preprocessing is None:
        preprocessing = _rebuild_preprocessing(folder, composed, summary["id"])
    return Trained(folder, composed, read_tuned_hardware(folder, composed.tree), summary, preprocessing)


def _rebuild_preprocessing(folder: Path, composed: Composed, identity: str) -> Preprocessing:
    """How inputs were preprocessed in a run that did not record it, from its data set."""
    try:
        return describe_preprocessing(_read_dataset(folder, composed, identity, {}))
    except (ConfigError, DatasetError) as error:
        raise ConfigError(
            f"{make_printable(folder.name)}: the run has no preprocessing.json, as it was made before dlexp wrote one, and it "
            f"cannot be made from the data set: {error}"
        ) from error


def _read_dataset(folder: Path, composed: Composed, identity: str, paths: dict[str, str]) -> Dataset:
    """The splits of a run, with some of the paths in its config replaced."""
    run = plan(Composed(_replace_paths(composed, paths), composed.choices))
    if run.identity == identity:
        return read_dataset(run)
    name = make_printable(folder.name)
    if run.fingerprint is None:
        raise ConfigError(f"{name}: config.yaml was changed after the run: the id of this config is {run.identity}.")
    named = traits("dataset", composed.choices["dataset"]).user_files
    keys = [key for key in named if run.config["dataset"][key] is not None]
    where = ", ".join(f"dataset.{key}={format_value(run.config['dataset'][key])}" for key in keys)
    raise DatasetError(
        f"{name}: the files are not those that the run used: {where} has other content. If those of the run are elsewhere, "
        f"give their path: dataset({keys[0]}=...)."
    )


def _replace_paths(composed: Composed, paths: dict[str, str]) -> Tree:
    """The config with other paths of its data set. Those that follow from `data_dir` by default follow the new one."""
    tree, option = composed.tree, read_option("dataset", composed.choices["dataset"])
    known = ["data_dir", *path_keys(composed), *(["cache_dir"] if "cache_dir" in option else [])]
    if unknown := sorted(paths.keys() - set(known)):
        names = ", ".join(known)
        raise ConfigError(*(f"{make_printable(key)}: not a path of this run. Paths: {names}." for key in unknown))
    before, now = tree["data_dir"], paths.get("data_dir", tree["data_dir"])
    dataset = dict(tree["dataset"])
    for key in known[1:]:
        follows = dataset[key] == resolve(option[key], {"data_dir": before}) if "${data_dir}" in str(option[key]) else False
        dataset[key] = paths.get(key, resolve(option[key], {"data_dir": now}) if follows else dataset[key])
    return {**tree, "data_dir": now, "dataset": dataset}
