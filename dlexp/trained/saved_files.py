"""Read the plain files of a run folder of any origin, and check them as a command is checked."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from dlexp.config import plain_json, plain_yaml
from dlexp.config.check_config import check
from dlexp.config.compose import Composed
from dlexp.config.lab import VARIABLE
from dlexp.config.options import current_lab, groups, is_option, list_groups, read_option, scalars
from dlexp.config.plain_json import FormError
from dlexp.config.values import find_references, find_resolver_calls, make_printable
from dlexp.data.preprocessing import Preprocessing, from_content
from dlexp.errors import ConfigError
from dlexp.run.record.checksums import check_file
from dlexp.run.record.folder import PREPROCESSING
from dlexp.run.record.forms import FINISHED, PreprocessingFile, read_summary_file
from dlexp.run.record.identity import NOT_IN_ID, SAME_AS_BEFORE
from dlexp.run.setup import tuning
from dlexp.run.setup.lab_modules import hash_sources

MAX_PREPROCESSING_BYTES = 2**26  # one number for each pixel of a large image, or the categories of a table
NAME_A_LAB = f"--config-dir=LAB/conf, or the environment variable {VARIABLE}=LAB"


def read_summary(folder: Path) -> dict[str, Any]:
    """Read summary.json of a finished run.

    Raises:
        ConfigError: If it is no summary, or if the run is not finished.
    """
    name = make_printable(folder.name)
    if not (folder / "config.yaml").exists():
        raise ConfigError(f"{make_printable(str(folder))}: expected the folder of a run, and it holds no config.yaml.")
    try:
        summary = read_summary_file(folder)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{name}: the run is not finished: it has no summary.json. It is being trained, or was interrupted; the command "
            "that began it goes on with it."
        ) from error
    except FormError as error:
        raise ConfigError(f"{name}: {error}.") from error
    if (status := summary["status"]) not in FINISHED:
        reason = f": {make_printable(str(summary['reason']))}" if summary.get("reason") else ""
        raise ConfigError(f"{name}: the run has no weights, as it did not end well (status {make_printable(status)}){reason}")
    return summary


def read_composed(folder: Path, summary: Mapping[str, Any]) -> Composed:
    """Read config.yaml of a run, and check it as the config of a command is checked.

    Args:
        folder: The folder of the run.
        summary: Its summary.

    Raises:
        ConfigError: If it is not a config that a command could have, or if it needs another lab than the one in use.
    """
    name = make_printable(folder.name)
    try:
        check_file(folder, "config.yaml")
        tree = plain_yaml.parse(plain_yaml.read(folder / "config.yaml"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: config.yaml cannot be read: {make_printable(str(error))}.") from error
    if not isinstance(tree, dict) or not all(isinstance(tree.get(group), dict) for group in (*groups(), *list_groups())):
        raise ConfigError(f"{name}: config.yaml is not the config of a run.")
    if references := [*find_resolver_calls(tree), *find_references(tree)]:
        raise ConfigError(
            f"{name}: config.yaml of a run holds values only, got a reference to {make_printable(references[0])}."
        )
    sources = summary.get("sources", {})
    if sources and current_lab() is None:
        used = ", ".join(map(make_printable, sources))
        raise ConfigError(f"{name}: the run used parts of a lab ({used}), and no lab is in use: name it with {NAME_A_LAB}.")
    composed = Composed(tree, _choose_resolved(tree, summary["choices"]))
    _fill_younger_keys(composed)
    if problems := check(composed):
        unknown = any(not is_option(group, option) for group, option in composed.choices.items())
        hint = [f"If it is an option of a lab, name the lab with {NAME_A_LAB}."] if unknown and not current_lab() else []
        raise ConfigError(*(f"{name}: config.yaml: {problem}" for problem in problems), *hint)
    _check_sources(name, tree, sources)
    return composed


def _choose_resolved(tree: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, str]:
    """The choices that the config holds: the one that `auto` meant in place of an option with it."""
    resolved = dict(choices)
    for group, key in (("hardware", "device"), ("precision", "format")):
        found, option = tree[group].get(key), choices.get(group, "")
        if option in groups()[group] and found in groups()[group] and read_option(group, option)[key] == "auto":
            resolved[group] = found
    return resolved


def _fill_younger_keys(composed: Composed) -> None:
    """Add the keys that did not exist when the run was made, and those that say nothing about a run."""
    for path, value in SAME_AS_BEFORE.items():
        group, key = path[0], path[-1]
        option = composed.choices.get(group, "")
        if len(path) == 1:
            composed.tree.setdefault(key, value)
        elif option in groups().get(group, ()) and key in read_option(group, option):
            composed.tree[group].setdefault(key, value)
    for key, default in scalars().items():
        if (key,) in NOT_IN_ID:
            composed.tree.setdefault(key, deepcopy(default))


def _check_sources(name: str, tree: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Check that the modules of the lab are those that the run used."""
    here, lab = hash_sources(tree), current_lab()
    if changed := sorted(path for path in sources.keys() | here.keys() if sources.get(path) != here.get(path)):
        files = ", ".join(map(make_printable, changed))
        raise ConfigError(f"{name}: the lab {lab and lab.folder} is not as the run used it: the source of {files} is another.")


def read_preprocessing(folder: Path) -> Preprocessing | None:
    """Read preprocessing.json; None if the run was made before there was one.

    Raises:
        ConfigError: If it is not that of a run.
    """
    try:
        check_file(folder, PREPROCESSING)
        content = plain_json.read(folder / PREPROCESSING, PreprocessingFile, MAX_PREPROCESSING_BYTES)
    except FileNotFoundError:
        return None
    except FormError as error:
        raise ConfigError(f"{make_printable(folder.name)}: {error}.") from error
    try:
        return from_content(content)
    except ValueError as error:
        raise ConfigError(f"{make_printable(folder.name)}: {PREPROCESSING}: {make_printable(str(error))}.") from error


def read_tuned_hardware(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the group hardware, with those that were measured at the first start of the run.

    Raises:
        CheckpointError: If the file of the measurements is damaged.
    """
    measured = tuning.read_measurements(folder, config) if config["hardware"]["tune"] else None
    return dict(tuning.with_tuned_hardware(config, measured["chosen"] if measured else {})["hardware"])
