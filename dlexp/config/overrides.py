"""Overrides as they are typed: read one, and spell a sweep out into its cells. What they mean is for lookup.py to judge."""

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, QuotedString, RangeSweep

from dlexp.config.options import groups, on_one_line
from dlexp.errors import ConfigError

LONGEST = 10_000  # characters of one override
LARGEST = 100_000  # values in one sweep, and cells


class Given(NamedTuple):
    """One override, read.

    Args:
        override: As Hydra's parser gives it.
        text: As typed, made fit for a message.
        values: What it gives its key: one value, or those of a sweep, at most `LARGEST` + 1.
    """

    override: Override
    text: str
    values: list[Any]

    @property
    def key(self) -> str:
        """The group or key that is set."""
        return self.override.key_or_group

    @property
    def typed_value(self) -> str:
        """What stands behind the equals sign."""
        return self.text.partition("=")[2]


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def read(typed: str) -> Given:
    """One override in Hydra's grammar.

    Raises:
        ConfigError: If it is none, with the place where reading stopped, or if it is a sweep without a list of values.
    """
    text = on_one_line(typed)
    if len(typed) > LONGEST:
        raise ConfigError(f"{text}: longer than {LONGEST} characters.")
    if "=" not in typed and not typed.startswith("~"):
        options = [f"{group}={typed}" for group, options in groups().items() if typed in options]
        raise ConfigError(f"{text}: not of the form key=value.{f' Did you mean {options[0]}?' if options else ''}")
    try:
        override = _parser().parse_override(typed)
    except Exception as error:  # generated code on arbitrary text: HydraException, RecursionError and what else there may be
        raise ConfigError(f"{text}: {_reason(typed, error)}") from None
    return Given(override, text, _values(override, text))


def _reason(typed: str, error: Exception) -> str:
    """Why an override cannot be read, with the place where reading stopped if the parser tells."""
    cause = error.__cause__
    place = getattr(cause, "startIndex", None)
    if place is None:
        place = getattr(getattr(cause, "offendingToken", None), "column", None)
    if place is None:
        where = f"cannot be read: {on_one_line(str(error).splitlines()[0]) if str(error) else type(error).__name__}."
    elif place >= len(typed):
        where = "cannot be read: it breaks off at the end."
    else:
        where = f"cannot be read from {on_one_line(typed[place:])} on (character {place + 1})."
    return f"{where} Text with special characters stands in quotes: 'key=\"a=b\"'."


def _values(override: Override, text: str) -> list[Any]:
    found = override.value()
    if isinstance(found, Glob):
        return found.filter(groups().get(override.key_or_group, []))
    if isinstance(found, IntervalSweep):
        raise ConfigError(f"{text}: an interval has no list of values: write them out, or use range(start,stop).")
    if isinstance(found, RangeSweep):
        bounds = (found.start, found.stop, found.step)
        if found.step == 0 or not all(isinstance(bound, int) for bound in bounds):  # range(0.1,0.4,0.1) would hold 0.4
            raise ConfigError(f"{text}: a range takes whole numbers and a step that is not 0: write the values out.")
    if override.is_sweep_override():
        return [_unquoted(value) for value in itertools.islice(override.sweep_iterator(), LARGEST + 1)]
    return [found]


def _unquoted(value: Any) -> Any:
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(item) for key, item in value.items()}
    return value.text if isinstance(value, QuotedString) else value


def expand(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of a sweep, each a tuple of overrides; the last key varies fastest, as in Hydra's own sweeper.

    >>> expand(["norm=bn,gn", "seed=0", "depth=range(1,3)"])[1]
    ('norm=bn', 'seed=0', 'depth=2')
    """
    return list(itertools.product(*(spelled_out(text) for text in overrides)))


def spelled_out(typed: str) -> list[str]:
    """The overrides, of one value each, that one override of a sweep stands for."""
    given = read(typed)
    if isinstance(given.override.value(), Glob):
        return [f"{given.key}={option}" for option in given.values]
    if given.override.is_sweep_override():
        return [f"{given.key}={value}" for value in given.override.sweep_string_iterator()]
    return [typed]


def overridden_keys(overrides: Sequence[str]) -> set[str]:
    """The keys and groups that these overrides set."""
    return {override.lstrip("+~").partition("=")[0] for override in overrides}
