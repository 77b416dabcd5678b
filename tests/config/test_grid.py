import pytest

from dlexp.config.grid import Grid, combine
from dlexp.config.overrides import expand

AXES = {"a": [1, 2], "b": ["x", "y", "z"], "c": [0.5, 1.0]}


def combined(**words):
    return [tuple(AXES[key][place] for key, place in cell.items()) for cell in combine(AXES, Grid(**words))]


def test_axes_make_their_product() -> None:
    assert combined() == [(a, b, c) for a in AXES["a"] for b in AXES["b"] for c in AXES["c"]]
    assert list(combine({}, Grid())) == [{}]


def test_axes_that_go_together_stand_where_the_first_of_them_stands() -> None:
    assert combined(together=[["c", "a"]]) == [(a, b, c) for a, c in [(1, 0.5), (2, 1.0)] for b in AXES["b"]]


def test_an_exclusion_leaves_out_what_has_all_its_values() -> None:
    assert set(combined()) - set(combined(exclude=[{"a": 1, "b": "x"}, {"c": 1}])) == {
        (a, b, c) for a, b, c in combined() if (a, b) == (1, "x") or c == 1
    }


CELLS = {
    "two that go together": ("depth=1,2 width=8,16 zip=[depth,width]", [("depth=1", "width=8"), ("depth=2", "width=16")]),
    "two pairs": (
        "depth=1,2 norm=bn,gn width=8,16 seed=3,4 zip=[[depth,width],[seed,norm]]",
        [
            ("depth=1", "norm=bn", "width=8", "seed=3"),
            ("depth=1", "norm=gn", "width=8", "seed=4"),
            ("depth=2", "norm=bn", "width=16", "seed=3"),
            ("depth=2", "norm=gn", "width=16", "seed=4"),
        ],
    ),
    "a function goes together with a list": (
        "optimizer.lr=log(0.1,1,2) depth=1,2 zip=[depth,optimizer.lr]",
        [("optimizer.lr=0.1", "depth=1"), ("optimizer.lr=1", "depth=2")],
    ),
    "an exclusion": (
        "norm=bn,gn batch_size=2,4 exclude=[{norm:bn,batch_size:2}]",
        [("norm=bn", "batch_size=4"), ("norm=gn", "batch_size=2"), ("norm=gn", "batch_size=4")],
    ),
    "exclusions of a number in another spelling and of a list": (
        "l1=0.1,1e-2 model.widths=[8],[4,4] exclude=[{l1:0.01},{model.widths:[8]}]",
        [("l1=0.1", "model.widths=[4,4]")],
    ),
    "words that say nothing": ("depth=1,2 zip=null exclude=null skip=null", [("depth=1",), ("depth=2",)]),
}


@pytest.mark.parametrize(("typed", "cells"), CELLS.values(), ids=CELLS.keys())
def test_the_cells_of_a_command(typed: str, cells: list[tuple[str, ...]]) -> None:
    assert expand(typed.split()) == cells


def test_values_in_a_random_order_are_excluded_all_the_same() -> None:
    cells = expand(["depth=shuffle(1,2,3,4,5,6)", "exclude=[{depth:2},{depth:5}]"])
    assert sorted(cells) == [(f"depth={depth}",) for depth in (1, 3, 4, 6)]
