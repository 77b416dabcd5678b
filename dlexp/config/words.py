"""The names that other trainers use for settings of this one, from words.yaml: for the answers to a command that uses them."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dlexp.config import plain_yaml

OFF = ("0", "false", "no", "off", "none", "null", "cpu", "[]", "")  # texts that switch off


def translate(key: str, value: str) -> list[list[str]]:
    """What a setting with the name that another trainer uses may mean here, each meaning as a list of settings.

    >>> translate("learning_rate", "0.1")
    [['optimizer.lr=0.1']]
    >>> translate("amp", "false")
    [['precision=fp32']]
    """
    name = _last_name(key)
    if "data" in name and (by_ending := _words()["files"].get(Path(value).suffix.lower())):
        return [[setting.replace("{}", value) for setting in by_ending.split()]]
    found = [settings for settings, names in _words()["settings"].items() if name in names]
    for switch in _words()["switches"]:
        if name in switch["names"]:
            is_first_gpu = name in _words()["gpu_numbers"] and value == "0"
            found.append(switch["if_off" if value.lower() in OFF and not is_first_gpu else "if_on"])
    return [[setting.replace("{}", value) for setting in settings.split()] for settings in found if settings]


def explain_needless(key: str) -> str:
    """Why a setting that another trainer has is not needed here, or an empty text."""
    return next((why for why, names in _words()["nothing"].items() if _last_name(key) in names), "")


def find_option(group: str, name: str, options: Sequence[str]) -> list[str]:
    """The options of a group that have this name here or in other trainers."""
    names = _words()["options"].get(group, {})
    return [option for option in options if squash(name) in (squash(option), *names.get(option, ()))]


def squash(name: str) -> str:
    """A name in lower case, without hyphens and underscores: batchsize for batch-size and batchSize."""
    return re.sub(r"[-_ ]", "", name.lower())


def _last_name(key: str) -> str:
    return squash(re.split(r"[./]", key)[-1])


@cache
def _words() -> dict[str, Any]:
    return plain_yaml.parse(plain_yaml.read(Path(__file__).with_suffix(".yaml")))
