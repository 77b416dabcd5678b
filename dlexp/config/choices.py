"""Check the overrides that choose an option of a group, or several."""

from collections.abc import Iterator

from dlexp.config.combination import COMBINED, find_wrong_combination, name_choice
from dlexp.config.options import groups, list_groups
from dlexp.config.overrides import Override
from dlexp.config.suggestion import suggest_option
from dlexp.config.trial import Trial
from dlexp.config.values import format_value, make_printable


def check_choice(override: Override, trial: Trial | None) -> Iterator[str]:
    """Find what is wrong with an override of a group, a line for each mistake.

    Args:
        override: As `norm=gn`, `probe=[grad_flow]` or `augment=[crop,flip]`.
        trial: The rest of the command; None: suggest nothing.
    """
    return (_check_list if override.key in list_groups() else _check_option)(override, trial)


def _check_list(override: Override, trial: Trial | None) -> Iterator[str]:
    key, options = override.key, list_groups()[override.key]
    for value in override.values:
        if not isinstance(value, list):
            example = value if value in options else ",".join(options[:2])
            yield f"{override.text}: takes a list, such as {key}=[{example}]."
            continue
        for name in value:
            if name not in options:
                nearest = suggest_option(key, name, trial) if isinstance(name, str) else ""
                yield f"{key}=[{make_printable(str(name))}]: no such option. Options: {', '.join(options)}.{nearest}"
        if len({repr(name) for name in value}) < len(value):
            yield f"{override.text}: the same {key} comes twice."


def _check_option(override: Override, trial: Trial | None) -> Iterator[str]:
    options = groups()[override.key]
    listed = f"Options: {', '.join(options)}."
    for value in override.values:
        if isinstance(value, list) and override.key in COMBINED:
            if problem := find_wrong_combination(override.key, name_choice(value), options):
                unknown = next((name for name in value if isinstance(name, str) and name not in options), None)
                yield problem + (suggest_option(override.key, unknown, trial) if unknown else "")
        elif value not in options:
            name = make_printable(value if isinstance(value, str) else format_value(value))
            yield f"{override.key}={name}: no such option. {listed}{suggest_option(override.key, name, trial)}"
    if not override.values:
        yield f"{override.text}: matches no option. {listed}"
