"""Every field of every study's file is replaced by what it must not hold: it is refused, or means something."""

import copy
import random

import pytest
import yaml

from dlexp.config.options import option_file
from dlexp.errors import ConfigError
from dlexp.study.definition import read_study, studies
from dlexp.study.request import Request, compose_runs

WRONG = [
    None,
    True,
    0,
    -1,
    1.5,
    float("inf"),
    "",
    "x",
    "89 %",
    "1,2",
    [],
    [None],
    [[]],
    ["x", "x"],
    {},
    {"a": 1},
    {1: 2},
    [{}],
    [{"a": []}],
]


def list_places(node, above=()):
    """The path of each value in a tree of maps and lists."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from list_places(value, (*above, key))


def mutate(content, place, what):
    """A copy of a file's content with one value replaced, taken out, or put there twice."""
    changed = copy.deepcopy(content)
    *above, last = place
    node = changed
    for key in above:
        node = node[key]
    if what == "removed":
        del node[last]
    elif what == "twice":
        if isinstance(node, list):
            node.append(copy.deepcopy(node[last]))
        else:
            node[f"{last}_"] = node[last]
    else:
        node[last] = copy.deepcopy(what)
    return changed


def try_file(path, content):
    """Read a study, and compose and check its cells. Anything but a ConfigError is a failure."""
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    try:
        study = read_study(str(path))
        compose_runs(study, Request(study.all_cells(), study.seeds[:1], {}))
    except ConfigError as error:
        problems = error.problems
    else:
        return True
    assert problems
    assert all(problem.strip() for problem in problems)
    return False


def fuzz(name, folder, number):
    content = yaml.safe_load(option_file("study", name).read_text())
    cases = [(place, what) for place in list_places(content) for what in [*WRONG, "removed", "twice"]]
    chosen = random.Random(name).sample(cases, min(number, len(cases))) if number else cases
    accepted = 0
    for count, (place, what) in enumerate(chosen):
        accepted += try_file(folder / f"{name}_{count}.yaml", mutate(content, place, what))
    return accepted, len(chosen)


@pytest.mark.parametrize("name", studies())
def test_a_sample_of_mutated_files_is_answered(name, tmp_path):
    accepted, total = fuzz(name, tmp_path, 5)
    assert accepted < total


@pytest.mark.slow(seconds=600)
@pytest.mark.parametrize("name", studies())
def test_every_mutated_file_is_answered(name, tmp_path):
    accepted, total = fuzz(name, tmp_path, 0)
    assert accepted < total / 2
