"""Read the command `dlexp ablate`: a recipe and what its runs share make a study, as the file of one would. Loads no torch."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlexp.config import plain_json
from dlexp.config.check import find_problems
from dlexp.config.entry import show_command
from dlexp.config.options import scalars
from dlexp.config.overrides import Override, parse
from dlexp.config.values import format_value, make_printable
from dlexp.errors import ConfigError
from dlexp.run.record.identity import slug
from dlexp.run.record.layout import PROTOCOL
from dlexp.run.record.protocol_form import Protocol
from dlexp.study.cells import ARM, Cell, Study, spell
from dlexp.study.definition import describe_wrong_name, make_study, studies
from dlexp.study.request import Request, names_study, narrow, read_command
from dlexp.study.switches import ABOUT_NO_RUN

BASE, RECIPE, NAME = "base", "recipe", "name"
COUNTED = ("seeds", "data_seeds")  # a number, or a list
OF_A_STUDY = ("zip", "metric", "pairing", "learned", "effect", *COUNTED)  # keys of a study's file that a command may set
SHARED = (  # groups and keys that are no switches where they are typed
    *("dataset", "data_seed", "val_fraction", "evaluate_on", "epochs", "max_steps", "batch_size", "drop_last"),
    *("hardware", "probe"),
)
MAX_COUNT = 1000  # seeds, or draws of the data
NAME_LENGTH, HASH_DIGITS = 50, 8  # of the name that an ablation gets; with 12 digits, it would be that of a run
QUESTION = "What is each part of this recipe worth?"


def read_ablation(overrides: Sequence[str]) -> tuple[Study, Request]:
    """Read the study that a command makes, or the one with a recipe that it names, and which part of it is requested.

    Args:
        overrides: Settings, each a switch of the recipe unless it is one of `SHARED` or stands in `base`; `base` and `recipe`,
            maps of settings; keys of a study; and what `narrow` takes: seeds, arms, and keys that change no run.

    Raises:
        ConfigError: With everything that is wrong with it.
    """
    if names_study(overrides):
        study, request = read_command(overrides)
        if not study.recipe:
            raise ConfigError(
                f"study={study.name}: has no recipe to ablate: {show_command('train')} study={study.name} runs it."
            )
        return study, request
    command = [parse(text) for text in overrides]
    content, passed = _read_content(command)
    given = {override.key: override for override in command}
    output_dir = given["output_dir"].value if "output_dir" in given else scalars()["output_dir"]
    study = make_study(_choose_name(content, given), content)
    _check_place(study, Path(str(output_dir)).expanduser() / study.name)
    return study, narrow(study, passed)


def _read_content(command: Sequence[Override]) -> tuple[dict[str, Any], list[str]]:
    """What the file of the study would hold, and the overrides that say which part is run, and how."""
    settings = [item for item in command if item.key not in (BASE, RECIPE, NAME, *OF_A_STUDY, ARM, "seed", *ABOUT_NO_RUN)]
    base, named = (_read_map(key, command) for key in (BASE, RECIPE))
    chosen = {*named, *(item.key for item in settings)}  # beside an option of these, `base` is about the plain run alone
    others = {key: value for key, value in base.items() if key not in chosen and key.partition(".")[0] not in chosen}
    single = [item.typed for item in settings if len(item.values) == 1]  # what _find_mistakes has nothing against
    spelled = [f"{key}={spell(value)}" for key, value in (named | others).items()]
    if problems := [*_find_mistakes(command), *find_problems([*single, *spelled], multirun=False)]:
        raise ConfigError(*dict.fromkeys(problems))
    typed = {item.key: item.value for item in settings}
    shared = {key: value for key, value in typed.items() if key.partition(".")[0] in SHARED}
    recipe = {key: value for key, value in typed.items() if key not in shared} | named
    if not recipe:
        raise ConfigError(
            f"There is no recipe: type its settings, such as {show_command('ablate')} dropout=0.2 augment=standard, or name a "
            "study that has one."
        )
    content = {"question": QUESTION, "background": _describe(recipe), BASE: shared | base, RECIPE: recipe}
    content |= {item.key: _read_word(item) for item in command if item.key in OF_A_STUDY}
    return content, [item.typed for item in command if item.key in (ARM, "seed", *ABOUT_NO_RUN)]


def _read_map(name: str, command: Sequence[Override]) -> Cell:
    """The settings in `base` or `recipe`; none where something is wrong with it, which `_find_mistakes` says."""
    found = [item.value for item in command if item.key == name and len(item.values) == 1]
    return dict(found[0]) if found and not _describe_wrong_map(found[0]) else {}


def _read_word(item: Override) -> Any:
    """The value of a key of a study. Seeds may be a number, `seeds=10`, or listed, `seeds=0,1,2` or `seeds=[0,1,2]`."""
    if item.key not in COUNTED:
        return item.value
    listed = item.values if len(item.values) > 1 else item.value
    return list(range(listed)) if isinstance(listed, int) and not isinstance(listed, bool) else listed


def _describe_wrong_map(value: Any) -> str:
    if isinstance(value, Mapping) and value and all(isinstance(key, str) for key in value):
        return ""
    return f"must be a map of settings, such as {{dataset: cifar10, epochs: 20}}, got {make_printable(format_value(value))}."


def _find_mistakes(command: Sequence[Override]) -> Iterator[str]:
    """What is wrong with the words of the command that are no settings, and settings that are given in two places."""
    keys = [item.key for item in command]
    for item in command:
        key = item.key
        places = [RECIPE, *([BASE] if key.partition(".")[0] in SHARED else [])]  # `base` says what a switch is in the plain run
        if keys.count(key) > 1:
            yield f"{item.text}: {make_printable(key)} is set twice."
        elif twice := [name for name in places if key in _read_map(name, command)]:
            yield f"{item.text}: {make_printable(key)} is set in {twice[0]}, too: leave one of the two out."
        if key in (BASE, RECIPE, NAME, *OF_A_STUDY) and key not in COUNTED and len(item.values) != 1:
            yield f"{item.text}: takes one value."
        elif key in (BASE, RECIPE) and (problem := _describe_wrong_map(item.value)):
            yield f"{item.text}: {problem}"
        elif key in COUNTED:
            yield from _find_count_mistakes(item)
        elif key not in (ARM, "seed", *COUNTED, *ABOUT_NO_RUN) and len(item.values) != 1:
            example = f" {key}s={spell(item.values)} draws the data several times." if key == "data_seed" else ""
            yield f"{item.text}: several values: a recipe has one of each setting.{example}"


def _find_count_mistakes(item: Override) -> Iterator[str]:
    value = item.value if len(item.values) == 1 else 1
    if value == "auto":
        yield (
            f"{item.text}: an ablation estimates what parts are worth, and its intervals are for a number of seeds that is "
            f"chosen beforehand: give one, such as {item.key}=10."
        )
    elif isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= MAX_COUNT:
        yield f"{item.text}: must be from 1 to {MAX_COUNT}, or a list."


def _describe(recipe: Cell) -> str:
    listed = " ".join(f"{key}={spell(value)}" for key, value in recipe.items())
    return f"Each part is taken out of the recipe, and each is added to the plain run alone. The recipe is {listed}."


def _choose_name(content: Mapping[str, Any], given: Mapping[str, Override]) -> str:
    """The name of the study: the one that is typed, or one that the recipe and what its runs share determine.

    Raises:
        ConfigError: If no study can have the name, or if another one has it.
    """
    if NAME in given:
        name = str(given[NAME].value)
        if problem := describe_wrong_name(name):
            raise ConfigError(f"{NAME}={problem}")
        if name in studies():
            raise ConfigError(f"{given[NAME].text}: is a study, and both would write to the same folder: choose another name.")
        return name
    digest = hashlib.sha256(json.dumps([content[BASE], content[RECIPE], content.get("zip")]).encode()).hexdigest()
    keys = slug(["-".join(["ablate", *dict.fromkeys(key.partition(".")[0] for key in content[RECIPE])])])
    return f"{keys[:NAME_LENGTH].strip('-.')}-{digest[:HASH_DIGITS]}"


def _check_place(study: Study, folder: Path) -> None:
    """Check that the folder of a study that was typed holds no other study.

    Raises:
        ConfigError: If it does.
    """
    try:
        there = plain_json.read(folder / PROTOCOL, Protocol)["study"]
    except (FileNotFoundError, plain_json.FormError):
        return
    base, cells = json.loads(json.dumps([study.base, study.cells]))
    if there.get("base") != base or _sort(there.get("cells", [])) != _sort(cells):
        raise ConfigError(
            f"{NAME}={study.name}: {folder} holds another study, with other settings, whose report would be replaced: choose "
            "another name, or move the folder away."
        )


def _sort(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted(json.dumps(cell, sort_keys=True) for cell in cells)
