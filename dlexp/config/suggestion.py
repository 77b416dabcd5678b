"""Suggest the valid option or key that is most similar to a mistyped one."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from dlexp.config.options import groups, option_keys
from dlexp.config.values import find_reference

MAX_LENGTH = 80  # characters of a name that are compared


def nearest_option(name: str, options: Sequence[str]) -> str:
    """The question whether the most similar option is meant, or an empty text."""
    in_lower_case = {option.lower(): option for option in reversed(options)}
    found = get_close_matches(name.lower()[:MAX_LENGTH], in_lower_case, n=1, cutoff=0.5)
    return f" Did you mean {in_lower_case[found[0]]}?" if found else ""


def nearest_key(key: str, keys: Iterable[str]) -> str:
    """The question whether keys with the same last name, in any option, are meant; else the most similar key.

    Args:
        key: What was typed.
        keys: The keys of the options that the command chooses.
    """
    known = [path for path in keys if not path.rpartition(".")[2].startswith("_")]
    name = key.replace("/", ".").rpartition(".")[2][:MAX_LENGTH]
    found = [path for path in known if path.rpartition(".")[2] == name]
    found += [question for path, question in _in_other_options(name).items() if path not in found]
    if not found:
        names = {path.rpartition(".")[2]: path for path in reversed(known)} | {path: path for path in [*known, *groups()]}
        found = [names[match] for match in get_close_matches(key[:MAX_LENGTH].lower(), names, n=1)]
    return f" Did you mean {' or '.join(found[:3])}?" if found else ""


def _in_other_options(name: str) -> dict[str, str]:
    """The keys with this last name in any option: {"loss.gamma": "loss.gamma (loss=focal)"}."""
    found: dict[str, list[str]] = {}
    for group, options in groups().items():
        for option in options:
            for path, default in option_keys(group, option).items():
                if path.rpartition(".")[2] == name and find_reference(default) not in groups():
                    found.setdefault(path, []).append(option)
    return {path: f"{path} ({path.partition('.')[0]}={', '.join(options)})" for path, options in found.items()}
