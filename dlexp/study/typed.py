"""Find what is wrong with the keys and values of a command that asks for a part of a study. Loads no torch."""

from collections.abc import Iterator, Mapping
from typing import Any

from dlexp.config.overrides import Override
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable
from dlexp.study.cells import Study, spell
from dlexp.study.search import list_tuned, read_search


def is_repeated(key: str, study: Study, given: Mapping[str, Override]) -> bool:
    """Whether a command chooses seeds or draws of the data by this key; else `data_seed` is a setting like any other."""
    listed = study.data_seeds or (key in given and len(given[key].values) > 1)
    return key == "seed" or (key == "data_seed" and key not in study.keys and bool(listed))


def find_tuned_keys(study: Study, given: Mapping[str, Override]) -> Iterator[str]:
    """What a command sets although the search of the study chooses it, and seeds of the search."""
    for key in list_tuned(study):
        if key in given:
            yield f"{given[key].text}: {study.name} tunes {key}: its values are in `tune` in the file of the study."
    search = read_search(study)
    for seed in given["seed"].values if search and "seed" in given else ():
        if search and seed in search.seeds:
            yield f"{given['seed'].text}: the search has seed {seed}, and the comparison needs others."


def find_value_mistakes(item: Override, study: Study) -> Iterator[str]:
    """What is wrong with the values of a key that distinguishes the cells, or with the seeds."""
    if len({spell(value) for value in item.values}) < len(item.values):
        yield f"{item.text}: the same value comes twice."
    for value in item.values:
        shown = make_printable(spell(value))
        if item.key in ("seed", "data_seed") and item.key not in study.keys:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                yield f"{item.text}: seeds are whole numbers, at least 0, got {shown}."
        elif item.key not in study.axes and value not in (listed := _list_values(study, item.key)):
            known = list(dict.fromkeys(map(spell, listed)))
            near = nearest_option(shown, known)
            yield f"{item.text}: no cell of {study.name} has {item.key}={shown}, but {', '.join(known)}.{near}"


def _list_values(study: Study, key: str) -> list[Any]:
    """The values of a key in the listed cells."""
    return [cell[key] for cell in study.cells if key in cell]
