"""Read a study from a file in conf/study/, or from a file of the user. Loads no torch."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlexp.config.grid import SKIP, ZIP, read_grid
from dlexp.config.options import format_place, option_file, options_in, read
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.run.record.identity import slug
from dlexp.run.record.layout import RUN_FOLDER_NAME
from dlexp.study.cells import Study
from dlexp.study.form import NOT_TUNED, find_wrong_forms
from dlexp.study.listing import list_values
from dlexp.study.mistakes import find_contradictions, find_grid_mistakes
from dlexp.study.skip import find_without_effect
from dlexp.study.switches import make_ablation

RESERVED = ("adhoc", "reference")  # names of other folders in outputs/
CHANGED = "with-"  # prefix of the report's folder if a command changed the study


def studies() -> list[str]:
    """The names of all studies."""
    return options_in("study")


def read_study(name: str) -> Study:
    """Read a study and check its file.

    Args:
        name: The name of a study in conf/study/ or in that of the lab, or the path of a file that ends with .yaml.

    Raises:
        ConfigError: If there is no such study, or with everything that is wrong with its file.
    """
    if name.endswith(".yaml"):
        path = Path(name).expanduser()
        return _read_study(path.stem, _check_path(path))
    if name not in studies():
        typed = make_printable(name)
        raise ConfigError(f"study={typed}: no such study. Studies: {', '.join(studies())}.{nearest_option(typed, studies())}")
    return _read_study(name, option_file("study", name))


def _check_path(path: Path) -> Path:
    """Check that a study may be read from this file: no other study has its name, which is that of a folder in outputs/."""
    typed, name = make_printable(str(path)), path.stem
    if not os.path.isfile(path):  # unlike Path.is_file, it raises no error for a name that no file can have
        raise ConfigError(f"study={typed}: there is no such file.")
    if name in studies() and not path.samefile(option_file("study", name)):
        raise ConfigError(
            f"study={typed}: {format_place(option_file('study', name))} is a study {make_printable(name)} too, and both would "
            "write to the same folder: rename the file."
        )
    return path


def describe_wrong_name(name: str) -> str:
    """Why a study cannot have this name; empty if it can."""
    if name == slug([name]) and name not in RESERVED and not name.startswith(CHANGED) and not RUN_FOLDER_NAME.search(name):
        return ""
    return (
        f"{make_printable(name)}: names a folder, and must be of letters, digits and .=_- (at most 80), not "
        f"{' or '.join(RESERVED)}, and neither begin with {CHANGED} nor end with the id of a run, 12 hexadecimal digits."
    )


def _read_study(name: str, path: Path) -> Study:
    if problem := describe_wrong_name(name):
        raise ConfigError(f"study={problem}")
    content = read(path)
    try:
        return make_study(name, content)
    except ConfigError as error:
        raise ConfigError(*(f"study={name}: {problem}" for problem in error.problems)) from None


def make_study(name: str, content: Mapping[str, Any]) -> Study:
    """Make a study from what its file says.

    Args:
        name: Its name, which may name a folder.
        content: Key → value.

    Raises:
        ConfigError: With everything that is wrong with the content.
    """
    if problems := list(find_wrong_forms(content)):
        raise ConfigError(*problems)
    if content.get("looks") and not content.get("data_seeds"):
        content = {"seeds": list(range(content["looks"][-1])), **content}
    axes = {key: list_values(key, values) for key, values in content.get("axes", {}).items()}
    tune = {key: values if key in NOT_TUNED else list_values(key, values) for key, values in content.get("tune", {}).items()}
    study = Study(
        name=name, **{**content, "axes": axes, "tune": tune, **({ZIP: read_grid(content).together} if ZIP in content else {})}
    )
    study = make_ablation(study) if "recipe" in content else study
    if problems := list(find_grid_mistakes(study)):
        raise ConfigError(*problems)
    if study.skip:
        found = list(find_without_effect(study, {}))
        if found and all(reason for _, reason in found):
            reasons = dict.fromkeys(reason for _, reason in found)
            raise ConfigError(f"{SKIP}: leaves none of the {len(found)} cells.", *reasons)
        study = replace(study, skipped=[cell for cell, reason in found if reason])
    if problems := list(dict.fromkeys(find_contradictions(study))):
        raise ConfigError(*problems)
    return study
