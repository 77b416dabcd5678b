"""Suggest what a mistyped option or key may have meant. What is suggested for a command works: it is tried before."""

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches

from dlexp.config.entry import show_overrides
from dlexp.config.options import groups, list_groups, option_keys
from dlexp.config.overrides import Override
from dlexp.config.trial import Trial
from dlexp.config.values import find_reference, make_printable
from dlexp.config.words import explain_needless, find_option, squash, translate

MAX_LENGTH = 80  # characters of a name that are compared
MAX_LENGTH_OF_VALUE = 40  # a longer one is shown as ...
SIMILAR, VERY_SIMILAR = 0.6, 0.7  # of two names, from 0 to 1
MAX_SUGGESTIONS = 3
MAX_TRIED = 8  # names that are similar

Settings = list[str]  # that take the place of one that was typed


def nearest_option(name: str, options: Sequence[str]) -> str:
    """The question whether the most similar name is meant, or an empty text."""
    found = _similar_options(name, options)
    return f" Did you mean {found[0]}?" if found else ""


def suggest_option(group: str, name: str, trial: Trial | None) -> str:
    """The question whether another option of a group is meant, if there is a similar one and it works here."""
    options = (groups() | list_groups())[group]
    for option in [*find_option(group, name, options), *_similar_options(name, options)] if trial else []:
        setting = f"{group}=[{option}]" if group in list_groups() else f"{group}={option}"
        if trial and (completed := trial.complete([setting])):
            return f" Did you mean {option if len(completed) == 1 else _show(completed)}?"
    return ""


def suggest_setting(key: str, value: str, keys: Iterable[str], trial: Trial | None) -> str:
    """The question whether other settings are meant; if they are, and only the value is wrong, what it must be.

    Args:
        key: What was typed before the `=`.
        value: What was typed after it.
        keys: The keys of the options that the command chooses.
        trial: The rest of the command; None: suggest nothing.
    """
    if trial is None:
        return ""
    if why := explain_needless(key):
        return f" {why}"
    places = _places(keys)
    meant, count = _unique([*_meanings(key, value), *_same_name(key, value, places)]), MAX_SUGGESTIONS
    if not meant:
        similar = (_at(path, value, places) for path in _similar_keys(key, places))
        meant, count = [settings for settings in similar if not trial.find_mistakes(settings)], 1
    if completed := [found for settings in meant if (found := trial.complete(settings))]:
        return f" Did you mean {' or '.join(_show(settings) for settings in completed[:count])}?"
    return next((f" {lines[0]}" for settings in meant if (lines := trial.find_problems(settings))), "")


def suggest_reference(override: Override, name: str, keys: Iterable[str], trial: Trial | None) -> str:
    """The question whether a reference to another key is meant."""
    for path in _similar_keys(name, dict.fromkeys(keys, "")) if trial else []:
        if trial and trial.complete([override.typed.replace(f"${{{name}}}", f"${{{path}}}")]):
            return f" Did you mean ${{{path}}}?"
    return ""


def suggest_group(typed: str, trial: Trial | None) -> str:
    """The question whether an option without its group is meant, such as `relu`."""
    for setting in [f"{group}={typed}" for group, options in groups().items() if typed in options] if trial else []:
        if trial and (completed := trial.complete([setting])):
            return f" Did you mean {_show(completed)}?"
    return ""


def _similar_options(name: str, options: Sequence[str], cutoff: float = 0.5) -> list[str]:
    in_lower_case = {option.lower(): option for option in reversed(options)}
    return [in_lower_case[found] for found in get_close_matches(name.lower()[:MAX_LENGTH], in_lower_case, cutoff=cutoff)]


def _places(keys: Iterable[str]) -> dict[str, str]:
    """Each key and group → the choice that it needs: empty, or as `optimizer=momentum`. The first option that has it counts."""
    places = dict.fromkeys([*(key for key in keys if not _name(key).startswith("_")), *groups(), *list_groups()], "")
    for group, options in (groups() | list_groups()).items():
        for option in options:
            for path, default in option_keys(group, option).items():
                if not _name(path).startswith("_") and find_reference(default) is None:
                    places.setdefault(path, f"{group}=[{option}]" if group in list_groups() else f"{group}={option}")
    return places


def _meanings(key: str, value: str) -> list[Settings]:
    """What the words of other trainers mean. An option is called as it is here: `arch=cnn` is `model=convnet`."""
    above, _, name = key.rpartition(".")
    meanings = translate(key, value) + ([[f"{above}={value}"]] if above in groups() and name in ("name", "type") else [])
    found = []
    for settings in meanings:
        group, _, option = settings[0].partition("=")
        if above in groups() and group.partition(".")[0] in set(groups()) - {above}:
            continue  # norm.epsilon is nothing of the optimizer's
        options = groups().get(group, [])
        names = find_option(group, option, options) or _similar_options(option, options, VERY_SIMILAR)[:1]
        found += [[f"{group}={name}", *settings[1:]] for name in names] or [settings]
    return found


def _same_name(key: str, value: str, places: dict[str, str]) -> list[Settings]:
    """Keys and groups with the same last name, those of the group that was typed first."""
    name, group = squash(_name(key)), re.split(r"[./]", key)[0]
    found = [path for path in places if squash(_name(path)) == name]
    found.sort(key=lambda path: path.partition(".")[0] != group)
    return [_at(path, value, places) for path in found]


def _similar_keys(key: str, places: dict[str, str]) -> list[str]:
    """Keys and groups with a similar name, the most similar first."""
    key = key[:MAX_LENGTH].lower()
    above, name = key.rpartition(".")[0], _name(key)

    def likeness(path: str) -> float:
        same_place = path.rpartition(".")[0] == above
        needs_choice = 0.01 * bool(places[path])
        by_name = _likeness(name, _name(path)) - needs_choice
        return by_name if same_place else max(_likeness(key, path) - needs_choice, by_name - 0.1 * bool(above))

    ranked = sorted(((likeness(path), path) for path in places), key=lambda pair: -pair[0])
    return [path for similar, path in ranked[:MAX_TRIED] if similar >= SIMILAR]


def _likeness(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, one, other)
    return matcher.ratio() if matcher.real_quick_ratio() >= SIMILAR else 0.0


def _at(path: str, value: str, places: dict[str, str]) -> Settings:
    return [*([places[path]] if places[path] else []), f"{path}={value}"]


def _name(path: str) -> str:
    return re.split(r"[./]", path)[-1][:MAX_LENGTH]


def _unique(meanings: Iterable[Settings]) -> list[Settings]:
    return [list(settings) for settings in dict.fromkeys(map(tuple, meanings))]


def _show(settings: Settings) -> str:
    parts = (text.partition("=") for text in settings)
    return make_printable(
        show_overrides(f"{key}={value if len(value) <= MAX_LENGTH_OF_VALUE else '...'}" for key, _, value in parts)
    )
