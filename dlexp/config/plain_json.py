"""Read JSON from an untrusted source: of a given form, and no larger than such a file is. Loads no torch.

A file that is read again holds the SHA-256 sum of its own content (`seal`), by which one that was damaged is found.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dlexp.config.values import make_printable
from dlexp.machine.files import read_regular_file

MAX_BYTES = 2**22  # of a file; training writes files a thousandth of this size, in a large study a tenth

SCHEMA = 2  # of files that hold their own sum; those without a schema, or with 1, are of older versions and hold none
SCHEMA_KEY, SUM_KEY = "schema", "checksum"

_KINDS = {
    "object": "a mapping",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}  # a kind of value in messages of msgspec → in ours


class FormError(ValueError):
    """A file that is not of the form that dlexp writes. The message names the file and the field, and what was expected."""


def seal(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a JSON file with its schema and, last, the SHA-256 sum of all the rest."""
    plain = {SCHEMA_KEY: SCHEMA, **json.loads(json.dumps(content))}
    return plain | {SUM_KEY: _sum(plain)}


def _sum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_seal(content: Mapping[str, Any]) -> None:
    if SUM_KEY not in content and content.get(SCHEMA_KEY, 1) == 1:
        return  # an older version wrote it
    if content.get(SUM_KEY) != _sum({key: value for key, value in content.items() if key != SUM_KEY}):
        raise FormError("its content is not what was written: the checksum in it is another")


def read(path: Path, form: Any, max_bytes: int = MAX_BYTES) -> Any:
    """The content of a JSON file, which is that which was written if the file holds a sum of itself.

    Args:
        path: The file.
        form: A type that describes the content, such as a TypedDict. Keys that it does not have are kept as they are.
        max_bytes: The largest size.

    Raises:
        FileNotFoundError: If there is no such file.
        FormError: If it cannot be read, is not a regular file, is too large, is not of this form, or has been damaged.
    """
    name = make_printable(path.name)
    try:
        return parse(read_regular_file(path, max_bytes), form, is_file=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FormError(f"{name}: it cannot be read: {error.strerror}") from error
    except ValueError as error:
        problem = make_printable(str(error).replace(path.name, "it", 1))  # the name is in messages of `read_regular_file`
        raise FormError(f"{name}: {problem}") from error


def parse(text: str | bytes, form: Any, *, is_file: bool = False) -> Any:
    """Parse JSON of a form. Halves of characters, which no file can hold as text, become question marks.

    Args:
        text: The text, bytes in UTF-8.
        form: As of `read`.
        is_file: Whether it is the whole of a file, which may hold a sum of itself.

    Raises:
        FormError: If it is not such a text, or if its sum is another.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        content = json.loads(text)
        written = content
        if re.search(r"\\ud[89a-f]", text, re.IGNORECASE):
            content = json.loads(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
        check(content, form)
        if is_file and isinstance(written, dict):
            _check_seal(written)
        return content
    except FormError:
        raise
    except UnicodeDecodeError as error:
        raise FormError("it is not text in UTF-8") from error
    except RecursionError as error:
        raise FormError("it is nested too deeply") from error
    except ValueError as error:
        raise FormError(f"it is not JSON: {error}") from error


def check(content: Any, form: Any) -> Any:
    """Check that a value is of a form, and return it.

    Raises:
        FormError: If it is not.
    """
    try:
        msgspec.convert(content, form)
    except msgspec.ValidationError as error:
        raise FormError(_reword(str(error))) from error
    return content


def _reword(message: str) -> str:
    """A message of msgspec in the words of ours.

    >>> _reword("Expected `int | null`, got `str` - at `$.runs[1].seed`")
    'runs[1].seed must be a whole number or null, got text'
    >>> _reword("Object missing required field `id` - at `$.runs[1]`")
    'runs[1].id is missing'
    """
    problem, _, place = message.partition(" - at ")
    place = place.replace("`", "").replace("$.", "").replace("$", "the content").replace("[...]", ": a value in it")
    if missing := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{place}.{missing[1]} is missing" if place else f"{missing[1]} is missing"
    place = place or "the content"
    if kinds := re.fullmatch(r"Expected `([^`]*)`, got `([^`]*)`", problem):
        expected, found = (" or ".join(_KINDS.get(kind, kind) for kind in part.split(" | ")) for part in kinds.groups())
        return f"{place} must be {expected}, got {found}"
    if limit := re.fullmatch(r"Expected `int` ([<>])= (-?\d+)", problem):
        return f"{place} must be {'at most' if limit[1] == '<' else 'at least'} {limit[2]}"
    if re.match("Expected `float`|Number out of range", problem):
        return f"{place} is not a number that it may have"
    return f"{place} is not what dlexp writes there"
