"""The search that a study makes for each cell before it compares the cells: `tune` in its file. Loads no torch.

Every cell gets the same trials: combinations of values of the tuned settings. What a trial is worth is measured on the
validation split, with seeds that no run of the comparison has.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlexp.config.grid import EXCLUDE, ZIP, Grid
from dlexp.study.cells import Cell, Study
from dlexp.study.form import NOT_TUNED
from dlexp.study.metrics import describe_unknown

FIRST_SEED = 1_000_000  # of a search whose file names none
MAX_COMBINATIONS = 10_000
# Settings that decide which examples are held out: trials that differ in them are not measured on the same examples.
HELD_OUT = ("data_seed", "dataset", "val_fraction", "evaluate_on")
OF_THE_DATA, NOT_HELD_OUT = "dataset.", "dataset.scale"


@dataclass(frozen=True)
class Search:
    """What is tried for each cell.

    Args:
        settings: Tuned key → its values.
        trials: The combinations that are tried, in the order of the product of the values.
        seeds: The seeds with which each is run.
        metric: What it is judged by, a metric of the validation split.
    """

    settings: dict[str, list[Any]]
    trials: list[Cell]
    seeds: list[int]
    metric: str


def read_search(study: Study) -> Search | None:
    """The search of a study; None if it tunes nothing."""
    if not study.tune:
        return None
    settings = list_tuned(study)
    seeds = study.tune.get("seeds") or [next(n for n in itertools.count(FIRST_SEED) if n not in study.seeds)]
    metric = study.tune.get("metric") or find_counterpart(study.metric)
    return Search(settings, _list_trials(settings, study.tune.get("trials")), seeds, metric)


def list_tuned(study: Study) -> dict[str, list[Any]]:
    """The tuned settings of a study, each with its values."""
    return {key: values for key, values in study.tune.items() if key not in NOT_TUNED}


def _list_trials(settings: Mapping[str, list[Any]], number: int | None) -> list[Cell]:
    """All combinations, or so many of them, drawn without replacement.

    They are those with the lowest of fixed random numbers, so that a study with more trials has those that it had before.
    """
    combinations = [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]
    if number is None:
        return combinations
    drawn = random.Random(0)  # noqa: S311 Python promises that `random()` stays the same for a seed
    order = sorted(range(len(combinations)), key=[drawn.random() for _ in combinations].__getitem__)
    return [combinations[place] for place in sorted(order[:number])]


def find_counterpart(metric: str) -> str:
    """The metric of the validation split that corresponds to one of the test split; empty if there is none.

    >>> find_counterpart("test/acc"), find_counterpart("train/seconds")
    ('val/acc', '')
    """
    split, _, score = metric.rpartition("/")
    return {"test": f"val/{score}", "best/test": f"best/val/{score}"}.get(split, "")


def is_validated(metric: str) -> bool:
    """Whether a metric is measured on the validation split."""
    return metric.startswith(("val/", "best/val/"))


def describe_missing_validation(config: Mapping[str, Any]) -> str:
    """Why a search cannot choose among runs with this config, which is not checked yet; empty if it can."""
    if config["evaluate_on"] == "test":
        return "tune: evaluate_on=test: the search must not see the test set; it needs evaluate_on=val."
    if config["val_fraction"] == 0:
        return "tune: val_fraction=0: the search chooses on the validation split; it needs a share above 0, such as 0.1."
    return ""


def find_tune_mistakes(study: Study) -> Iterator[str]:
    """What contradicts itself in the `tune` of a study, one line each."""
    if not study.tune:
        return
    settings, number = list_tuned(study), study.tune.get("trials")
    size = math.prod(map(len, settings.values()))
    if size > MAX_COMBINATIONS:
        yield f"tune: has {size} combinations, and at most {MAX_COMBINATIONS} are possible: shorten the lists."
    elif size == 1:
        yield "tune: has a single combination, so that there is nothing to choose: write it into `base`."
    elif number is not None and number > size:
        yield f"tune: trials: there are only {size} combinations, got {number}: leave it out to try all of them."
    for key in settings:
        yield from _find_set_elsewhere(key, study)
        if key in HELD_OUT or (key.startswith(OF_THE_DATA) and key != NOT_HELD_OUT):
            yield f"tune: {key}: decides which examples a trial is measured on, so that trials cannot be compared."
    for seed in study.tune.get("seeds", ()):
        if seed in study.seeds:
            yield f"tune: seeds: {seed} is a seed of the comparison too; the search needs others, such as {FIRST_SEED}."
    yield from _find_metric_mistakes(study)


def find_tuned_axes(grid: Grid, study: Study) -> Iterator[str]:
    """Tuned settings that `zip` or `exclude` takes for axes, one line each."""
    named = {ZIP: [key for group in grid.together for key in group], EXCLUDE: [key for entry in grid.exclude for key in entry]}
    for word, keys in named.items():
        for key in dict.fromkeys(keys):
            if key in list_tuned(study):
                yield f"{word}: {key} is no axis: {study.name} tunes it, and all cells get the same trials. Leave it out here."


def _find_set_elsewhere(key: str, study: Study) -> Iterator[str]:
    whens = [(f"`when`, {condition}", values) for condition, values in study.when.items()]
    for place, keys in [("`base`", study.base), *whens, ("the axes or cells", study.keys)]:
        if key in keys:
            yield f"tune: {key}: is set in {place}, too: leave it out in one of the two."


def _find_metric_mistakes(study: Study) -> Iterator[str]:
    """A search that cannot be judged on the validation split, and a comparison on the examples that the search has seen."""
    metrics = [study.metric, *(str(each["metric"]) for each in study.predictions if "metric" in each)]
    for metric in dict.fromkeys(filter(is_validated, metrics)):
        yield f"tune: {metric} is measured on the examples that the search chooses by: compare the cells by test/... instead."
    given = study.tune.get("metric")
    if given is None and not find_counterpart(study.metric) and not is_validated(study.metric):
        yield (
            f"tune: {study.metric} is not measured on the validation split: name what the search chooses by, such as "
            "metric: val/acc."
        )
    if given is not None and (problem := describe_unknown(given)):
        yield f"tune: metric: {problem}"
    elif given is not None and not is_validated(given):
        yield f"tune: metric: must be one of the validation split, such as val/acc, got {given}."
    chosen_by = given or find_counterpart(study.metric)
    for key in list_tuned(study) if chosen_by.endswith("/loss") else ():
        if key == "loss" or key.startswith("loss."):
            yield f"tune: {key}: changes what {chosen_by} is, so that trials cannot be compared: give tune another metric."
