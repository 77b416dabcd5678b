"""The setting `launcher`: what starts the processes that share the runs of a sweep. Loads no torch.

It belongs to a command and to no run: it is taken out of the command before anything else is read, and the tasks that it starts
are the rest of the command.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from dlexp.config.options import option_keys, options_in
from dlexp.config.overrides import Override, parse
from dlexp.config.ranges import option_ranges, rule_for
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import find_references, find_resolver_calls, format_value, make_printable
from dlexp.errors import ConfigError

GROUP, NONE = "launcher", "none"
ONLY_SLURM = ("partition", "account", "qos", "constraint", "cpus", "memory")  # keys of which submitit's own processes read none


class Launcher(NamedTuple):
    """What starts the processes of a command.

    Args:
        engine: `submitit` or `ray`, which is also the name of the package and of the extra of dlexp.
        settings: The keys of its file → value.
    """

    engine: str
    settings: Mapping[str, Any]

    @property
    def processes(self) -> int:
        """The largest number of tasks at the same time."""
        return int(self.settings["processes"])

    @property
    def choice(self) -> str:
        """As it is typed."""
        return f"{GROUP}={self.engine}"

    @property
    def limits_cores(self) -> bool:
        """Whether a task can use no more than its own cores."""
        return self.settings.get("cluster") == "slurm"


def is_of_launcher(key: str) -> bool:
    """Whether a key chooses the launcher or is one of its settings."""
    return key.partition(".")[0] == GROUP


def take_launcher(arguments: Sequence[str]) -> tuple[list[str], Launcher | None]:
    """Take the launcher and its settings out of a command line.

    Args:
        arguments: As typed; flags and what cannot be parsed stay.

    Returns:
        The other arguments, and the launcher; None if the command has none.

    Raises:
        ConfigError: With everything that is wrong with these settings, or if the package that they need is not installed.
    """
    given: list[Override] = []
    rest: list[str] = []
    for text in arguments:
        override = _read(text)
        if override is None:
            rest.append(text)
        else:
            given.append(override)
    if problems := list(_find_wrong_forms(given)):
        raise ConfigError(*problems)
    typed = {override.key: override.value for override in given}
    engine = typed.pop(GROUP, NONE)
    if problems := [*_find_wrong_option(engine), *_find_wrong_keys(engine, typed)]:
        raise ConfigError(*problems)
    if engine == NONE:
        return rest, None
    settings = option_keys(GROUP, engine) | typed
    if problems := list(_find_wrong_values(engine, settings, typed)):
        raise ConfigError(*problems)
    return rest, Launcher(engine, {key.removeprefix(f"{GROUP}."): value for key, value in settings.items()})


def _read(text: str) -> Override | None:
    """The override, if it is one of the launcher's."""
    if GROUP not in text or text.startswith("-"):
        return None
    try:
        override = parse(text)
    except ConfigError:
        if text.startswith((f"{GROUP}=", f"{GROUP}.")):
            raise
        return None  # it is refused with everything else that is wrong
    return override if is_of_launcher(override.key) else None


def _find_wrong_forms(given: Sequence[Override]) -> Iterator[str]:
    keys = [override.key for override in given]
    for position, override in enumerate(given):
        key = override.key
        if override.typed.partition("=")[0] != key:
            yield f"{override.text}: write {key}={make_printable(override.value_text) or '...'}."
        elif len(override.values) != 1:
            yield f"{override.text}: says how the whole sweep is run: give one value."
        elif key in keys[:position]:
            yield f"{override.text}: {key} is set twice."
        elif [*find_references(override.values), *find_resolver_calls(override.values)]:
            yield f"{override.text}: takes a plain value."


def _find_wrong_option(engine: Any) -> Iterator[str]:
    options = options_in(GROUP)
    if engine not in options:
        name = make_printable(engine if isinstance(engine, str) else format_value(engine))
        yield f"{GROUP}={name}: no such option. Options: {', '.join(options)}.{nearest_option(name, options)}"


def _find_wrong_keys(engine: str, typed: Mapping[str, Any]) -> Iterator[str]:
    keys = {option: option_keys(GROUP, option) for option in options_in(GROUP)}
    for key in typed if engine in keys else ():
        having = [option for option in keys if key in keys[option]]
        known = list(keys[engine]) or list(dict.fromkeys(name for option in keys for name in keys[option]))
        shown = make_printable(key)
        if not having:
            yield f"{shown}: no such key. Keys: {', '.join(known)}.{nearest_option(shown, known)}"
        elif engine == NONE:
            yield f"{shown}: has no effect without a launcher: add {' or '.join(f'{GROUP}={name}' for name in having)}."
        elif engine not in having:
            yield f"{shown}: {GROUP}={engine} has no {key.removeprefix(f'{GROUP}.')}; {', '.join(having)} has. Leave it out."


def _find_wrong_values(engine: str, settings: Mapping[str, Any], typed: Mapping[str, Any]) -> Iterator[str]:
    ranges, defaults = option_ranges(GROUP, engine), option_keys(GROUP, engine)
    for key, value in typed.items():
        if not (rule := rule_for(key, defaults[key], ranges)).holds(value):
            yield f"{key}: must be {rule.expected}, got {format_value(value)}."
    if engine == "submitit":
        yield from _find_submitit_mistakes(settings, typed)
    if find_spec(engine) is None:
        yield f'{GROUP}={engine}: needs the package {engine}, which is not installed: pip install "dlexp[{engine}]"'


def _find_submitit_mistakes(settings: Mapping[str, Any], typed: Mapping[str, Any]) -> Iterator[str]:
    minutes, seconds = settings[f"{GROUP}.minutes"], settings[f"{GROUP}.signal"]
    if isinstance(minutes, int) and isinstance(seconds, int) and seconds >= 60 * minutes > 0:
        yield f"{GROUP}.signal: must be below the {60 * minutes} seconds of {GROUP}.minutes={minutes}, got {seconds}."
    if settings[f"{GROUP}.cluster"] == "local":
        for key in (f"{GROUP}.{name}" for name in ONLY_SLURM):
            if key in typed:
                yield f"{key}: has no effect with {GROUP}.cluster=local, which has no queue: leave it out."
