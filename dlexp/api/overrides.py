"""Write the arguments of a Python call as the overrides of a command, which then pass the checks of a command."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from dlexp.config.grid import GRID
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError

PLAIN = re.compile(r"(?!(?:null|true|false|inf|nan)$)[a-z_/.][\w./+-]*", re.ASCII | re.IGNORECASE)  # needs no quotes


def write_overrides(arguments: Sequence[object], settings: Mapping[str, Any], *, sweeps: bool = False) -> list[str]:
    """Write each argument as an override, `key=value`.

    Args:
        arguments: Overrides as they would be typed.
        settings: Key → value. A text is written as it would be typed, so that `"bn,gn"` is two values.
        sweeps: Whether a list, a range or an array holds the values of a sweep. Otherwise it is one value; so are those of
            `zip` and `exclude`.

    Raises:
        ConfigError: If a value is of a type that no setting has.

    >>> write_overrides(["depth=8"], {"norm": None, "seed": range(3)}, sweeps=True)
    ['depth=8', 'norm=null', 'seed=0,1,2']
    """
    written = []
    for argument in arguments:
        if not isinstance(argument, str):
            raise ConfigError(f"{make_printable(repr(argument))}: expected a text such as depth=8, got {_kind(argument)}.")
        written.append(argument)
    for key, value in settings.items():
        if sweeps and key not in GRID and (values := _list_values(value)) is not None:
            if not values:
                raise ConfigError(f"{key}: expected at least one value, got none.")
            text = ",".join(_write(item, key) for item in values)
        else:
            text = value if isinstance(value, str) else _write(value, key)
        written.append(f"{key}={text}")
    return written


def _list_values(value: Any) -> list[Any] | None:
    """The values of a sweep, or None if it is one value."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return None
    return list(value)


def _write(value: Any, key: str) -> str:
    """A value in the grammar of overrides."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value  # a number of numpy
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | PurePath):
        text = str(value)
        return text if PLAIN.fullmatch(text) else _quote(text)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_write(name, key)}:{_write(item, key)}" for name, item in value.items()) + "}"
    if (values := _list_values(value)) is not None:
        return "[" + ",".join(_write(item, key) for item in values) + "]"
    raise ConfigError(f"{key}: expected a text, a number, true or false, null, a list or a map, got {_kind(value)}.")


def _quote(text: str) -> str:
    """A text in double quotes. Hydra reads a backslash as such unless it stands before a quote, where each is written twice."""
    doubled = re.sub(r'(\\*)("|$)', lambda match: 2 * match[1] + ('\\"' if match[2] else ""), text)
    return f'"{doubled}"'


def _kind(value: object) -> str:
    return f"an object of type {type(value).__name__}"
