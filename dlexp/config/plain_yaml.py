"""Read YAML from an untrusted source: plain values only, each key once, and no more values than a config has."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from dlexp.machine.files import read_regular_file

MAX_BYTES = 100_000  # of a file; the largest file in conf/ has a tenth of it
MAX_VALUES = 5_000  # of a file, with aliases expanded
MAX_DEPTH = 500  # of nested maps and lists; the C loader is recursive, and a few thousand levels crash the process


def read(path: Path) -> str:
    """Read a text file that may be passed to `parse`.

    Raises:
        ValueError: If it is larger than any config, not text, or not a regular file.
        OSError: If it cannot be read.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path.name} has {size} bytes, and no config has more than {MAX_BYTES}")
    return read_regular_file(path, MAX_BYTES).decode()


def parse(text: str) -> Any:
    """Parse YAML into maps, lists, numbers, text, booleans and null. A tag that stands for another object is refused.

    Raises:
        ValueError: If it is not such YAML, has a key twice, or more values than a config.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has {len(text)} characters, and no config has more than {MAX_BYTES}")
    try:
        if len(text) > MAX_DEPTH:
            _check_size(text)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader, in C where there is one
        if _count_values(value, {}) > MAX_VALUES:
            raise ValueError(f"it has more than {MAX_VALUES} values")
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested in itself") from error
    return value


def _check_size(text: str) -> None:
    """Refuse a text with too many or too deeply nested values, before any value is constructed."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        if count > 2 * MAX_VALUES:  # a value and its key, or the beginning and the end of a collection
            raise ValueError(f"it has more than {MAX_VALUES} values")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # which of the two, types cannot tell
    """A safe loader that refuses duplicate keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} comes twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _count_values(value: Any, known: dict[int, int]) -> int:
    """Count the values in a tree. Those behind an alias, one object in several places, are counted at each place."""
    if not isinstance(value, Mapping | list):
        return 1
    if id(value) not in known:
        inside: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
        known[id(value)] = 1 + sum(_count_values(item, known) for item in inside)
    return known[id(value)]
