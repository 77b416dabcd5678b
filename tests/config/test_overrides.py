import pytest

from dlexp.config.options import groups
from dlexp.config.overrides import expand, parse

CELLS = [  # a command, and the values of its cells in the order of Hydra's own sweeper
    ([], [[]]),
    (["norm=bn"], [["bn"]]),
    (["norm=bn,gn", "seed=0", "depth=range(1,3)"], [["bn", 0, 1], ["bn", 0, 2], ["gn", 0, 1], ["gn", 0, 2]]),
    (
        ["model.widths=[16],[32,64]", "norm.groups={16:4}", "optimizer.lr=choice(0.1,1e-3)"],
        [[[16], {16: 4}, 0.1], [[16], {16: 4}, 0.001], [[32, 64], {16: 4}, 0.1], [[32, 64], {16: 4}, 0.001]],
    ),
    (["data_dir='a b','c,d'", "loss=mse"], [["a b", "mse"], ["c,d", "mse"]]),
    (["depth=sort(3,1,2)", "l1=0,0.5"], [[1, 0], [1, 0.5], [2, 0], [2, 0.5], [3, 0], [3, 0.5]]),
]


@pytest.mark.parametrize(("command", "cells"), CELLS)
def test_cells_come_as_in_hydras_own_sweeper(command: list[str], cells: list[list]) -> None:
    assert [[parse(text).value for text in cell] for cell in expand(command)] == cells


def test_a_glob_stands_for_the_options_that_match() -> None:
    assert expand(["norm=glob(*)"]) == [(f"norm={option}",) for option in groups()["norm"]]
    assert expand(["optimizer=glob(adam*)"]) == [("optimizer=adam",), ("optimizer=adamw",)]


@pytest.mark.parametrize(
    ("typed", "key", "values", "value_text"),
    [
        ("norm=bn", "norm", ["bn"], "bn"),
        ("optimizer.lr=0.1,1e-2", "optimizer.lr", [0.1, 0.01], "0.1,1e-2"),
        ("data_dir='a=b'", "data_dir", ["a=b"], "'a=b'"),
        ("+x={a:[1]}", "x", [{"a": [1]}], "{a:[1]}"),
    ],
)
def test_an_override_is_parsed_into_key_and_values(typed, key, values, value_text) -> None:
    override = parse(typed)
    assert (override.key, override.values, override.value_text, override.text) == (key, values, value_text, typed)
