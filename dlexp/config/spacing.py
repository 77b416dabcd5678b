"""Spaced values of an axis: `log(1e-4,1,5)` and `lin(0,0.5,6)`, which the grammar of overrides has beside Hydra's functions."""

import math
import sys
from collections.abc import Callable
from typing import Any

from dlexp.config.values import format_value
from dlexp.errors import ConfigError

MAX_VALUES = 1000
DIGITS = range(4, 16)  # significant digits of a value: the fewest that leave the distances as they are
TOLERANCE = 1e-3  # by which rounding may move a value, as a share of the distance to the next one
LARGEST_WHOLE = 2**53  # above it, not every whole number is a float

Number = int | float


def log(*given: Any) -> list[Number]:
    """Values from the first to the second bound with equal ratios.

    >>> log(1e-4, 1, 5)
    [0.0001, 0.001, 0.01, 0.1, 1]
    """
    start, stop, num = _check("log", given)
    if not (start > 0 and stop > 0):
        raise ConfigError(f"log takes bounds above 0, because its values have equal ratios, got {start} and {stop}.")
    low, high = math.log(start), math.log(stop)
    return _space(start, stop, num, lambda share: math.exp(low + share * (high - low)))


def lin(*given: Any) -> list[Number]:
    """Values from the first to the second bound at equal distances.

    >>> lin(0, 0.5, 6)
    [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    """
    start, stop, num = _check("lin", given)
    return _space(start, stop, num, lambda share: start * (1 - share) + stop * share)


SPACED: dict[str, Callable[..., list[Number]]] = {"log": log, "lin": lin}


def _check(name: str, given: tuple[Any, ...]) -> tuple[Number, Number, int]:
    """The two bounds and the number of values.

    Raises:
        ConfigError: If they are something else.
    """
    example = {"log": "log(1e-4,1,5)", "lin": "lin(0,0.5,6)"}[name]
    if len(given) != 3:
        raise ConfigError(f"{name} takes the first value, the last and how many, such as {example}, got {len(given)} values.")
    *bounds, num = given
    for bound in bounds:
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not abs(bound) <= sys.float_info.max:
            raise ConfigError(f"{name} takes numbers, such as {example}, got {format_value(bound)}.")
    if isinstance(num, bool) or not isinstance(num, int) or not 2 <= num <= MAX_VALUES:
        raise ConfigError(
            f"{name} takes how many values, a whole number from 2 to {MAX_VALUES}, last, got {format_value(num)}."
        )
    if bounds[0] == bounds[1]:
        raise ConfigError(f"{name} takes two different bounds, got {format_value(bounds[0])} twice.")
    return bounds[0], bounds[1], num


def _space(start: Number, stop: Number, num: int, place: Callable[[float], float]) -> list[Number]:
    """The bounds as given, and the values between them with as few digits as do not change their distances.

    Args:
        start: The first value.
        stop: The last one.
        num: How many there are.
        place: Share of the way, from 0 to 1 → value.
    """
    exact = [start, *(place(i / (num - 1)) for i in range(1, num - 1)), stop]
    distances = [abs(after - before) for before, after in zip(exact, exact[1:], strict=False)]
    for digits in DIGITS:
        rounded = [start, *(float(f"{value:.{digits}g}") for value in exact[1:-1]), stop]
        moved = [abs(new - old) for new, old in zip(rounded, exact, strict=True)]
        if all(move <= TOLERANCE * distance for move, distance in zip(moved[:-1], distances, strict=True)):
            break
    return [_shorten(value) for value in rounded]


def _shorten(value: Number) -> Number:
    """A whole number as an integer: a setting that takes one refuses 8.0."""
    return int(value) if float(value).is_integer() and abs(value) < LARGEST_WHOLE else value
