"""Find what is not of the form that a study's file has: unknown keys, and values of another kind. Loads no torch."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dlexp.config.grid import GRID
from dlexp.config.grid_mistakes import find_wrong_forms as find_wrong_grid
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import format_value, make_printable
from dlexp.study.cells import ARM
from dlexp.study.listing import find_wrong_listing, is_listing

Content = Mapping[str, Any]

REQUIRED = ("question", "background")
PREDICTION = ("claim", "plus", "minus", "where", "expected", "margin", "ratio", "metric", "effect")
BOUNDS = ("obrien_fleming", "pocock")
MIN_LOOK, MAX_LOOK = 5, 1000  # seeds at a look
LEARNED = ("of_own_best", "of_best_cell")
NOT_TUNED = ("trials", "seeds", "metric")  # keys of `tune` that are no settings
NUMBERS = ("value", "sd", "n")  # keys of a published number; the others name its cell
NOT_IN_A_CELL = {  # key → what to write in its place
    "seed": "write `seeds`, a list, which are those of every cell",
    "study": "a study cannot run another one",
    **dict.fromkeys(GRID, "write it beside `axes`: it is about all cells"),
}


def find_wrong_forms(content: Content) -> Iterator[str]:
    """Every value of a study's file that is not of the kind that its key takes, one line each."""
    for key in content:
        if key not in CHECKS:
            yield f"{_show(key)}: no such key. Keys: {', '.join(CHECKS)}.{nearest_option(_show(key), list(CHECKS))}"
    for key in REQUIRED:
        if key not in content:
            yield f"{key} is missing."
    for key, check in CHECKS.items():
        if key in content:
            yield from check(key, content[key])


def _check_text(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not value.strip():
        yield f"{place}: must be text, got {_show(value)}."


def _check_map(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place}: must be a map, key: value, got {_show(value)}."
    else:
        yield from (f"{place}: the key {_show(key)} is no text." for key in value if not isinstance(key, str))


def _check_settings(place: str, value: Any) -> Iterator[str]:
    """Settings of runs, as in `base`."""
    yield from _check_map(place, value)
    if isinstance(value, Mapping):
        yield from (f"{place}: {key}: {advice}." for key, advice in NOT_IN_A_CELL.items() if key in value)
        yield from (f"{place}: {_show(key)}: must be a number, got .nan." for key, item in value.items() if item != item)
        if ARM in value and not place.startswith(("cells", "axes", "predictions", "reference")):
            yield f"{place}: {ARM} names a cell, and sets nothing in others: write it into `cells`."


def _check_when(place: str, value: Any) -> Iterator[str]:
    yield from _check_map(place, value)
    for condition, settings in value.items() if isinstance(value, Mapping) else ():
        if "=" not in str(condition):
            yield f"{place}: {_show(condition)}: must be a condition, such as norm=gn."
        yield from _check_settings(f"{place}: {_show(condition)}", settings)


def _check_axes(place: str, value: Any) -> Iterator[str]:
    yield from _check_settings(place, value)
    for key, values in value.items() if isinstance(value, Mapping) else ():
        axis = f"{place}: {_show(key)}"
        if is_listing(values):
            yield from (f"{place}: {line}" for line in find_wrong_listing(str(key), values))
        elif not isinstance(values, list):
            yield f"{axis}: must be a list of values, got {_show(values)}.{_suggest_list(values)}"
        elif not values:
            yield f"{axis}: has no values: give some, or leave the axis out."
        elif any(item != item for item in values):
            yield f"{axis}: must be values, got .nan."


def _check_tune(place: str, value: Any) -> Iterator[str]:
    """The values of each tuned setting; how many trials there are, with which seeds, and what they are judged by."""
    yield from _check_map(place, value)
    if not isinstance(value, Mapping):
        return
    settings, trials = {key: item for key, item in value.items() if key not in NOT_TUNED}, value.get("trials", 2)
    yield from _check_axes(place, settings)
    if not settings:
        yield f"{place}: has no settings: write each with a list of values, such as optimizer.lr: [0.01, 0.1]."
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 2:
        yield f"{place}: trials: must be a whole number, at least 2, got {_show(trials)}."
    yield from _check_seeds(f"{place}: seeds", value.get("seeds", [0]))
    yield from _check_text(f"{place}: metric", value.get("metric", "-"))


def _suggest_list(value: Any) -> str:
    """How a text that looks like several values is written as a list."""
    if isinstance(value, Mapping):
        return ""
    text = make_printable(str(value))
    return f" Write [{', '.join(part.strip() for part in text.split(','))}]."


def _check_grid(place: str, value: Any) -> Iterator[str]:
    yield from (f"{place}: {line}" for line in find_wrong_grid(place, value))


def _check_cells(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{place}: must be a list, got {_show(value)}."
        return
    for cell in value:
        if not isinstance(cell, Mapping) or not cell:
            yield f"{place}: each must be a map, such as {{{ARM}: plain, depth: 2}}, got {_show(cell)}."
        else:
            yield from _check_settings(place, cell)


def _check_seeds(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{place}: must be a list of one whole number or more, such as [0, 1, 2, 3, 4], got {_show(value)}."
        return
    for seed in value:
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            unquoted = f" Write {seed} without quotes." if isinstance(seed, str) and seed.isdigit() else ""
            yield f"{place}: must be whole numbers, at least 0, got {_show(seed)}.{unquoted}"


def _check_looks(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{place}: must be a list of numbers of seeds, such as [5, 10, 20], got {_show(value)}.{_suggest_list(value)}"
        return
    for n in value:
        if not isinstance(n, int) or isinstance(n, bool) or not MIN_LOOK <= n <= MAX_LOOK:
            yield f"{place}: must be numbers of seeds from {MIN_LOOK}, which a verdict needs, to {MAX_LOOK}, got {_show(n)}."
            return
    if value != sorted(set(value)):
        yield f"{place}: must increase, such as [5, 10, 20], got {value}."


def _check_bounds(place: str, value: Any) -> Iterator[str]:
    if value not in BOUNDS:
        yield f"{place}: must be {' or '.join(BOUNDS)}, got {_show(value)}.{nearest_option(_show(value), BOUNDS)}"


def _check_predictions(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{place}: must be a list, got {_show(value)}."
        return
    for entry in value:
        if isinstance(entry, Mapping):
            yield from _check_prediction(place, entry)
        else:
            yield f"{place}: each must be a map with claim, plus, minus and expected, got {_show(entry)}."


def _check_prediction(place: str, entry: Mapping[Any, Any]) -> Iterator[str]:
    for key in entry:
        if key not in PREDICTION:
            yield f"{place}: {_show(key)}: no such key. Keys: {', '.join(PREDICTION)}.{nearest_option(_show(key), PREDICTION)}"
    for key in ("claim", "plus", "minus", "expected"):
        if key not in entry:
            yield f"{place}: {key} is missing in {_show(dict(entry))}."
    for key in ("claim", "metric"):
        yield from _check_text(f"{place}: {key}", entry.get(key, "-"))
    yield from _check_settings(f"{place}: where", entry.get("where", {}))
    for key in ("plus", "minus"):
        selectors = entry.get(key, {})
        several = selectors if isinstance(selectors, list) else [selectors]
        for selector in several or [None]:
            yield from _check_settings(f"{place}: {key}", selector)
    if entry.get("expected", "equal") not in ("greater", "less", "equal"):
        yield f"{place}: expected must be greater, less or equal, got {_show(entry['expected'])}."
    for key in ("margin", "ratio", "effect"):
        yield from _check_number(f"{place}: {key}", entry.get(key, 1))


def _check_learned(place: str, value: Any) -> Iterator[str]:
    """The conditions under which a run has learned (analysis/judge/learned.py)."""
    yield from _check_map(place, value)
    for key, share in value.items() if isinstance(value, Mapping) else ():
        if key not in LEARNED:
            yield f"{place}: {_show(key)}: no such key. Keys: {', '.join(LEARNED)}.{nearest_option(_show(key), LEARNED)}"
        elif isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            yield f"{place}: {key}: must be a share of at least 0 and below 1, got {_show(share)}.{_suggest_rate(share)}"


def _check_number(place: str, value: Any) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        yield f"{place}: must be a number, got {_show(value)}.{_suggest_rate(value)}"


def _suggest_rate(value: Any) -> str:
    """How a percentage that is written as text is written as a rate."""
    found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*%\s*", value) if isinstance(value, str) else None
    return f" Write {float(found[1]) / 100:.6g}." if found else ""


def _check_reference(place: str, value: Any) -> Iterator[str]:
    yield from _check_map(place, value)
    if not isinstance(value, Mapping):
        return
    for key in value:
        if key not in ("source", "values"):
            yield f"{place}: {_show(key)}: no such key. Keys: source, values."
    yield from _check_text(f"{place}: source", value.get("source", "-"))
    entries = value.get("values", [])
    if not isinstance(entries, list):
        yield f"{place}: values: must be a list, got {_show(entries)}."
        return
    for entry in entries:
        if not isinstance(entry, Mapping) or "value" not in entry:
            yield f"{place}: values: each must be a map with a cell and its `value`, got {_show(entry)}."
            continue
        yield from _check_settings(f"{place}: values", {key: item for key, item in entry.items() if key not in NUMBERS})
        for key in NUMBERS:
            yield from _check_number(f"{place}: {key}", entry.get(key, 1))


def _show(value: Any) -> str:
    return make_printable(value if isinstance(value, str) and value.isidentifier() else format_value(value))


CHECKS: dict[str, Callable[[str, Any], Iterator[str]]] = {
    "question": _check_text,
    "background": _check_text,
    **dict.fromkeys(("base", "recipe"), _check_settings),
    "when": _check_when,
    "axes": _check_axes,
    **dict.fromkeys(GRID, _check_grid),
    "cells": _check_cells,
    "tune": _check_tune,
    "seeds": _check_seeds,
    "data_seeds": _check_seeds,
    "looks": _check_looks,
    "bounds": _check_bounds,
    "metric": _check_text,
    "pairing": _check_text,
    "learned": _check_learned,
    "effect": _check_number,
    "predictions": _check_predictions,
    "reference": _check_reference,
}
