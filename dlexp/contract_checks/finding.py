"""What a check finds, and how the error of a user's own code is shown: its file and line, and the message."""

import re
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

Frames = Iterable[tuple[str, int]]
"""Files and lines of a traceback, the innermost last."""


class NotTried(NamedTuple):
    """Something that a check could not try, and why. It is no failure."""

    sentence: str


class Finding(NamedTuple):
    """The result of one check of one option.

    Args:
        check: Name of the check.
        problems: What is wrong and how to fix it, a sentence each; empty if the check holds.
        not_tried: What could not be tried and why, a sentence each.
        is_tried: Whether anything could be tried.
    """

    check: str
    problems: list[str]
    not_tried: list[str]
    is_tried: bool = True

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def locate(frames: Frames, source: Path | None) -> str:
    """The innermost line of a traceback that lies in the folder of a part's module, as `file:line`; empty if there is none."""
    if source is None:
        return ""
    own = [(file, line) for file, line in frames if Path(file).resolve().is_relative_to(source.parent)]
    return f"{own[-1][0]}:{own[-1][1]}" if own else ""


def describe_error(error: BaseException, source: Path | None) -> str:
    """The error of a part's own code: where it was raised, and its message."""
    place = locate(((frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)), source)
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{place}: {message}" if place else message


def read_frames(log: str) -> Frames:
    """The files and lines of the tracebacks in the log of a run."""
    return [(match[1], int(match[2])) for match in re.finditer(r'^ +File "(.+?)", line (\d+)', log, re.MULTILINE)]


def is_same(one: object, other: object, equal: Callable[[Any, Any], bool]) -> bool:
    """Whether two nested lists, tuples and dicts have the same keys and equal leaves."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key], equal) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(is_same(*pair, equal) for pair in zip(one, other, strict=True))
    return equal(one, other)
