"""Parse the overrides of a command, and split a sweep into its cells. Whether they make sense is checked in lookup.py."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, QuotedString, RangeSweep, Sweep
from hydra.core.override_parser.types import Override as HydraOverride

from dlexp.config.grid import GRID, combine, read_grid
from dlexp.config.options import groups, list_groups, per_lab
from dlexp.config.spacing import SPACED
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError

MAX_LENGTH = 10_000  # characters of an override
MAX_CELLS = 100_000  # cells of a sweep, and values of a key
ADDED = "++"  # begins what is added to a config, or replaced in it
AXIS = "hydra.sweeper.params."  # begins a key that holds one axis of a sweep


class Override(NamedTuple):
    """A parsed override.

    Args:
        typed: As it was typed.
        parsed: As Hydra's parser returns it.
        values: Its value, or those of a sweep, at most `MAX_CELLS` + 1. Not to be changed.
    """

    typed: str
    parsed: HydraOverride
    values: list[Any]

    @property
    def key(self) -> str:
        """The group or key that is set."""
        return self.parsed.key_or_group

    @property
    def value(self) -> Any:
        """The value of an override that has only one."""
        return self.values[0]

    @property
    def value_text(self) -> str:
        """The value as it was typed."""
        return self.typed.partition("=")[2]

    @property
    def text(self) -> str:
        """As it was typed, printable and not too long: for messages."""
        return make_printable(self.typed)


@cache
def _parser() -> OverridesParser:
    parser = OverridesParser.create()
    for name, space in SPACED.items():
        parser.functions.register(name, _make_axis(space))
    return parser


def _make_axis(space: Callable[..., list[Any]]) -> Callable[..., ChoiceSweep]:
    """A function of the grammar, of one that lists values."""

    def list_values(*given: Any) -> ChoiceSweep:
        return ChoiceSweep(list=space(*given))

    return list_values


@per_lab
@lru_cache(maxsize=4096)  # the cells of a sweep have most of their overrides in common
def parse(typed: str) -> Override:
    """Parse one override in Hydra's grammar.

    Raises:
        ConfigError: If it cannot be parsed, with the place where parsing stopped, or if it sweeps over an interval.
    """
    text = make_printable(typed)
    if len(typed) > MAX_LENGTH:
        raise ConfigError(f"{text}: longer than {MAX_LENGTH} characters.")
    if "=" not in typed and not typed.startswith("~"):
        raise ConfigError(f"{text}: not of the form key=value.")
    try:
        override = _parser().parse_override(typed)
    except Exception as error:  # the generated parser may raise anything on arbitrary text, such as RecursionError
        raise ConfigError(f"{text}: {_explain(typed, error)}") from None
    return Override(typed, override, _values(override, text))


def _explain(typed: str, error: Exception) -> str:
    """Explain why an override cannot be parsed, and where parsing stopped if the parser knows."""
    cause = error.__cause__
    if isinstance(cause, ConfigError):  # of a function of ours
        return str(cause)
    place = getattr(cause, "startIndex", None)
    if place is None:
        place = getattr(getattr(cause, "offendingToken", None), "column", None)
    if place is None:
        where = f"cannot be read: {make_printable(str(error).splitlines()[0]) if str(error) else type(error).__name__}."
    elif place >= len(typed):
        where = "cannot be read: it breaks off at the end."
    else:
        where = f"cannot be read from {make_printable(typed[place:])} on (character {place + 1})."
    return f"{where} Text with special characters stands in quotes: 'key=\"a=b\"'."


def _values(override: HydraOverride, text: str) -> list[Any]:
    found = override.value()
    if isinstance(found, Glob):
        return found.filter(groups().get(override.key_or_group, []))
    if isinstance(found, IntervalSweep):
        space = f"'{override.key_or_group}=lin(0,1,5)'"
        raise ConfigError(f"{text}: an interval has no list of values: write them out, or use {make_printable(space)}.")
    if isinstance(found, RangeSweep):
        bounds = (found.start, found.stop, found.step)
        if found.step == 0 or not all(isinstance(bound, int) for bound in bounds):  # range(0.1,0.4,0.1) would hold 0.4
            raise ConfigError(f"{text}: a range takes whole numbers and a step that is not 0: use lin(first,last,number).")
    if _holds_sweep(found.list if isinstance(found, ChoiceSweep) else found):
        raise ConfigError(f"{text}: a function that lists values stands alone: write the values out.")
    if override.is_sweep_override():
        return [_unquoted(value) for value in itertools.islice(override.sweep_iterator(), MAX_CELLS + 1)]
    return [found]


def _holds_sweep(value: Any) -> bool:
    """Whether a function that lists values is within a list, a map or another list of values."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(item, Sweep) or _holds_sweep(item) for item in items)


def _unquoted(value: Any) -> Any:
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(item) for key, item in value.items()}
    return value.text if isinstance(value, QuotedString) else value


def expand(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """List the cells of a sweep, each a tuple of overrides. The last key varies fastest, as in Hydra's own sweeper.

    Args:
        overrides: As typed, `zip`, `exclude` and `skip` included, which are in no cell. `skip` leaves none out here.

    >>> expand(["norm=bn,gn", "seed=0", "depth=range(1,3)"])[1]
    ('norm=bn', 'seed=0', 'depth=2')
    >>> expand(["norm=bn,gn", "depth=1,2", "zip=[norm,depth]"])
    [('norm=bn', 'depth=1'), ('norm=gn', 'depth=2')]
    """
    return list(_iterate_cells(overrides))


def _iterate_cells(overrides: Sequence[str]) -> Iterator[tuple[str, ...]]:
    command = [parse(text) for text in overrides]
    grid = read_grid({override.key: override.value for override in command if override.key in GRID})
    texts = {override.key: split(override.typed) for override in command if override.key not in GRID}
    values = {key: [parse(text).value for text in axis] if grid.exclude else axis for key, axis in texts.items()}
    for places in combine(values, grid):
        yield tuple(texts[key][place] for key, place in places.items())


def split(typed: str) -> list[str]:
    """Split an override of a sweep into overrides of one value each."""
    override = parse(typed)
    if isinstance(override.parsed.value(), Glob):
        return [f"{override.key}={option}" for option in override.values]
    if override.parsed.is_sweep_override():
        return [f"{override.key}={value}" for value in override.parsed.sweep_string_iterator()]
    return [typed]


def write_for_hydra(typed: str) -> str:
    """An override as Hydra can compose it.

    Values that a function of ours lists are written out. A key of an option is added with `++`, because Hydra may compose it
    with another option: of a group that is swept with the default one, and of a combination with the last alone.
    """
    override = parse(typed)
    sweeps = override.parsed.is_sweep_override()
    if sweeps and any(f"{name}(" in typed for name in SPACED):
        return f"{override.key}={','.join(text.partition('=')[2] for text in split(typed))}"
    group, dot, _ = override.key.partition(".")
    return f"{ADDED}{typed}" if dot and group in groups() | list_groups() and not sweeps else typed


def read_from_hydra(text: str) -> str:
    """An override as it was typed, from what `write_for_hydra` returned."""
    return text.removeprefix(ADDED)


def sample_cells(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Cells of a sweep that hold each value of each key at least once; all cells where `zip` or `exclude` makes them."""
    if any(parse(text).key in GRID for text in overrides):
        yield from map(list, _iterate_cells(overrides))
        return
    axes = [split(text) for text in overrides]
    first = [axis[0] for axis in axes]
    yield first
    for position, axis in enumerate(axes):
        for text in axis[1:]:
            yield [*first[:position], text, *first[position + 1 :]]


def is_multirun(command: Iterable[Override]) -> bool:
    """Whether a command asks for a sweep by a setting of Hydra, which is the same as -m."""
    return any(override.key == "hydra.mode" and override.values == ["MULTIRUN"] for override in command)


def sweeper_axes(override: Override) -> dict[str, Any]:
    """The keys that an override of Hydra's sweeper sweeps over, with their values as text."""
    if override.key.startswith(AXIS):
        return {override.key.removeprefix(AXIS): value for value in override.values[:1]}
    is_map = override.key == "hydra.sweeper.params" and override.values and isinstance(override.value, dict)
    return {str(axis): values for axis, values in override.value.items()} if is_map else {}


def replace_sweeper_params(arguments: Sequence[str]) -> list[str]:
    """Replace each override of `hydra.sweeper.params` by its axes, `key=values`. Hydra could not set a key below its null."""
    replaced: list[str] = []
    for argument in arguments:
        is_params = argument.lstrip("+").startswith("hydra.sweeper.params")
        replaced += [f"{axis}={values}" for axis, values in sweeper_axes(parse(argument)).items()] if is_params else [argument]
    return replaced
