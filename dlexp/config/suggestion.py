"""The nearest valid choice to a name that is none."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from dlexp.config.options import groups, keys_of, reference

LONGEST = 80  # characters of a name that is worth comparing


def nearest_option(name: str, options: Sequence[str]) -> str:
    """A question that names the most similar option, or nothing."""
    found = get_close_matches(name.lower()[:LONGEST], options, n=1, cutoff=0.5)
    return f" Did you mean {found[0]}?" if found else ""


def nearest_key(key: str, keys: Iterable[str]) -> str:
    """A question that names the keys meant by `key`: of the same last name, here or in other options, else the most similar.

    Args:
        key: What was typed.
        keys: The keys of the options that the command chooses.
    """
    known = [path for path in keys if not path.rpartition(".")[2].startswith("_")]
    name = key.replace("/", ".").rpartition(".")[2][:LONGEST]
    found = [path for path in known if path.rpartition(".")[2] == name]
    found += [question for path, question in _in_other_options(name).items() if path not in found]
    if not found:
        names = {path.rpartition(".")[2]: path for path in reversed(known)} | {path: path for path in [*known, *groups()]}
        found = [names[match] for match in get_close_matches(key[:LONGEST].lower(), names, n=1)]
    return f" Did you mean {' or '.join(found[:3])}?" if found else ""


def _in_other_options(name: str) -> dict[str, str]:
    """Keys of that last name in any option: {"loss.gamma": "loss.gamma (loss=focal)"}."""
    found: dict[str, list[str]] = {}
    for group, options in groups().items():
        for option in options:
            for path, default in keys_of(group, option).items():
                if path.rpartition(".")[2] == name and reference(default) not in groups():
                    found.setdefault(path, []).append(option)
    return {path: f"{path} ({path.partition('.')[0]}={', '.join(options)})" for path, options in found.items()}
