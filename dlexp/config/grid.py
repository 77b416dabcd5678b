"""How the axes of a sweep are combined: `zip`, which go together, `exclude` and `skip`, which combinations are left out.

A command and the file of a study say it in the same words. They make a sweep, and are in no config of a run.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

ZIP, EXCLUDE, SKIP = "zip", "exclude", "skip"
GRID = (ZIP, EXCLUDE, SKIP)
WITHOUT_EFFECT = "without_effect"

Axes = Mapping[str, Sequence[Any]]  # key → its values


class Grid(NamedTuple):
    """How axes are combined.

    Args:
        together: Groups of axes; those of a group go together, value by value.
        exclude: Combinations that are left out: key → value, of some of the axes.
        skip: Whether combinations in which a setting has no effect are left out.
    """

    together: Sequence[Sequence[str]] = ()
    exclude: Sequence[Mapping[str, Any]] = ()
    skip: bool = False


def read_grid(content: Mapping[str, Any]) -> Grid:
    """Read the keys `zip`, `exclude` and `skip`, in which `find_wrong_forms` has found nothing; each may be missing or null."""
    together = content.get(ZIP) or []
    groups = together if together and isinstance(together[0], list) else [together] if together else []
    return Grid(groups, content.get(EXCLUDE) or [], bool(content.get(SKIP)))


def combine(axes: Axes, grid: Grid) -> Iterator[dict[str, int]]:
    """Each combination that a sweep has, as key → place of its value in the axis. The last axis varies fastest.

    Args:
        axes: In which `find_zip_mistakes` has found nothing.
        grid: How they are combined. Axes that go together stand where the first of them stands.
    """
    partners = {key: tuple(group) for group in grid.together for key in group}
    blocks = list(dict.fromkeys(partners.get(key, (key,)) for key in axes))
    left_out = [find_places(axes, entry) for entry in grid.exclude]
    for chosen in itertools.product(*(range(len(axes[block[0]])) for block in blocks)):
        place = {key: number for block, number in zip(blocks, chosen, strict=True) for key in block}
        if not any(all(place[key] in places for key, places in entry.items()) for entry in left_out):
            yield {key: place[key] for key in axes}


def find_places(axes: Axes, entry: Mapping[str, Any]) -> dict[str, set[int]]:
    """Where in its axis the value of each key of an exclusion is; nowhere, where the axis lacks it."""
    return {
        key: {place for place, value in enumerate(axes.get(key, ())) if normalise(value) == normalise(wanted)}
        for key, wanted in entry.items()
    }


def normalise(value: Any) -> str:
    """A value as text that is the same for equal numbers, such as 1 and 1.0, and for maps in another order."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)
