"""Values that a function lists in the file of a study: `optimizer.lr: log(1e-4,1,5)`, `depth: range(1,9)`. Loads no torch."""

import re
from collections.abc import Iterator
from typing import Any

from dlexp.config.overrides import parse
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError

LISTING = re.compile(r"(?:log|lin|range)\(.*\)", re.DOTALL)
MAX_VALUES = 1000


def is_listing(values: Any) -> bool:
    """Whether the values of an axis, or of a tuned setting, are a function's."""
    return isinstance(values, str) and LISTING.fullmatch(values) is not None


def find_wrong_listing(key: str, values: str) -> Iterator[str]:
    """What is wrong with a function that lists the values of an axis, one line each."""
    try:
        num = len(parse(f"{key}={values}").values)
    except ConfigError as error:
        yield from error.problems
        return
    if not 0 < num <= MAX_VALUES:
        size = f"more than {MAX_VALUES}" if num else "no"
        yield f"{make_printable(f'{key}={values}')}: lists {size} values: an axis has 1 to {MAX_VALUES}."


def list_values(key: str, values: Any) -> list[Any]:
    """The values of an axis in which nothing is wrong."""
    return parse(f"{key}={values}").values if is_listing(values) else values
