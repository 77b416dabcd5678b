import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from dlexp.config.options import groups
from dlexp.config.overrides import expand, parse

COMMANDS = [
    [],
    ["norm=bn"],
    ["norm=bn,gn", "seed=0", "depth=range(1,3)"],
    ["model.widths=[16],[32,64]", "norm.groups={16:4}", "optimizer.lr=choice(0.1,1e-3)"],
    ["data_dir='a b','c,d'", "loss=mse"],
    ["depth=sort(3,1,2)", "l1=0,0.5"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_cells_come_as_in_hydras_own_sweeper(command: list[str]) -> None:
    parsed = OverridesParser.create().parse_overrides(command)
    (cells,) = BasicSweeper.split_arguments(parsed, None)
    read_again = [OverridesParser.create().parse_overrides(list(cell)) for cell in expand(command)]
    assert [[override.value() for override in cell] for cell in read_again] == [
        [override.value() for override in OverridesParser.create().parse_overrides(cell)] for cell in cells
    ]


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
