"""Read `seeds=auto` in a command: at which numbers of seeds the study is judged, and which seeds are added. Loads no torch."""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dlexp.config.overrides import Override
from dlexp.errors import ConfigError
from dlexp.study.cells import Study
from dlexp.study.form import MAX_LOOK, MIN_LOOK
from dlexp.study.search import read_search

DEFAULT_LOOKS = (5, 10, 20)  # of a study whose file has none
SEEDS, MAX_SEEDS = "seeds", "max_seeds"  # keys of a command that are no settings


class Schedule(NamedTuple):
    """What `seeds=auto` asks for.

    Args:
        unit: What it adds: `seed`, or `data_seed` where the study draws its data several times.
        units: All seeds, or draws of the data, that it may run, in their order.
        looks: The numbers of them at which it judges, increasing.
    """

    unit: str
    units: list[int]
    looks: list[int]


def read_schedule(study: Study, given: Mapping[str, Override]) -> Schedule | None:
    """The looks that a command asks for; None if it has no `seeds=auto`.

    Those of the study's file up to `max_seeds`. Where it has none: 5, 10 and 20, as far as they are below `max_seeds`, and
    `max_seeds` (20 if it is not given); to the seeds that the file lists come the smallest other numbers. A study that draws
    its data several times adds draws, each with all its seeds, and these are then what is counted.

    Raises:
        ConfigError: If the command is wrong.
    """
    if problems := list(_find_mistakes(study, given)):
        raise ConfigError(*problems)
    if SEEDS not in given:
        return None
    limit, unit = given[MAX_SEEDS].value if MAX_SEEDS in given else None, "data_seed" if study.data_seeds else "seed"
    if study.looks:
        looks = [n for n in study.looks if limit is None or n <= limit]
        return Schedule(unit, study.units, looks)
    last = DEFAULT_LOOKS[-1] if limit is None else limit
    search = read_search(study)
    taken = {*study.units, *(search.seeds if search and unit == "seed" else ())}
    others = (number for number in itertools.count() if number not in taken)
    units = [*study.units, *itertools.islice(others, last)][:last]
    return Schedule(unit, units, [*(n for n in DEFAULT_LOOKS if n < last), last])


def _find_mistakes(study: Study, given: Mapping[str, Override]) -> Iterator[str]:
    if MAX_SEEDS in given:
        limit, text = given[MAX_SEEDS], given[MAX_SEEDS].text
        least = study.looks[0] if study.looks else MIN_LOOK
        if SEEDS not in given:
            yield f"{text}: limits {SEEDS}=auto, which the command does not have."
        elif len(limit.values) > 1 or not isinstance(limit.value, int) or isinstance(limit.value, bool):
            yield f"{text}: must be a whole number, such as {MAX_SEEDS}={max(least, DEFAULT_LOOKS[-1])}."
        elif limit.value < least:
            yield f"{text}: must be at least {least}, the number of seeds at the first look."
        elif limit.value > MAX_LOOK:
            yield f"{text}: must be at most {MAX_LOOK}."
    if SEEDS in given:
        text = given[SEEDS].text
        if given[SEEDS].values != ["auto"]:
            yield f"{text}: {SEEDS} takes auto, which adds seeds until all is decided; seed=0,1,2 chooses seeds."
        elif study.recipe:
            yield (
                f"{text}: {study.name} estimates what each part of a recipe is worth, and its intervals are for a number of "
                "seeds that is chosen beforehand: seed=0,1,2 chooses seeds."
            )
        elif chosen := [given[key].text for key in ("seed", "data_seed") if _chooses(key, study, given)]:
            yield f"{text}: chooses by itself what is run: leave {' and '.join(chosen)} out."
        elif not study.predictions:
            yield f"{text}: {study.name} has no predictions that could be decided; seed=0,1,2 chooses seeds."


def _chooses(key: str, study: Study, given: Mapping[str, Override]) -> bool:
    """Whether a command chooses seeds, or draws of the data, by this key; a single `data_seed` may be a setting of all runs."""
    return key in given and (key == "seed" or bool(study.data_seeds) or len(given[key].values) > 1)
