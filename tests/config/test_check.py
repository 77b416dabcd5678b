import pytest

from dlexp.config.check import compose_sweep, find_problems
from dlexp.errors import ConfigError

MOONS = ("dataset=moons", "model=mlp")
SKIPPED = {  # what is typed → the cells that are left, without what all have; what is printed of the others
    "an activation without a hidden block": (
        "depth=0,1 activation=relu,tanh norm=none seed=0,1",
        ["depth=1 activation=relu seed=0", "depth=1 activation=relu seed=1"]
        + ["depth=1 activation=tanh seed=0", "depth=1 activation=tanh seed=1"],
        "Left out: depth=0 activation=relu, depth=0 activation=tanh: activation: has no effect with depth=0",
    ),
    "a key that an option lacks": (
        "norm=bn,gn norm.groups=2,4",
        ["norm=gn norm.groups=2", "norm=gn norm.groups=4"],
        "Left out: norm=bn norm.groups=2, norm=bn norm.groups=4: norm.groups: has no effect with norm=bn, which has no groups.",
    ),
    "a key of a part that is not chosen": (
        "probe=[],[grad_flow] probe.grad_flow.every=1,2",
        ["probe=[grad_flow] probe.grad_flow.every=1", "probe=[grad_flow] probe.grad_flow.every=2"],
        "Left out: probe=[] probe.grad_flow.every=1, probe=[] probe.grad_flow.every=2: probe.grad_flow.every: has no effect "
        "with probe=[], which has no grad_flow.every.",
    ),
    "nothing": ("depth=1,2", ["depth=1", "depth=2"], ""),
}


@pytest.mark.parametrize(("typed", "left", "printed"), SKIPPED.values(), ids=SKIPPED.keys())
def test_cells_in_which_a_setting_has_no_effect_are_left_out_and_listed(typed, left, printed, capsys):
    command = [*MOONS, *typed.split(), "skip=without_effect"]
    assert find_problems(command, multirun=True) == []
    common = {*MOONS, "norm=none"}
    cells = [" ".join(text for text in cell.command if text not in common) for cell in compose_sweep(command)]
    assert cells == left
    assert capsys.readouterr().err.startswith(printed)


def test_a_sweep_of_nothing_is_refused_with_the_reasons():
    with pytest.raises(ConfigError) as refused:
        compose_sweep([*MOONS, "depth=0", "norm=none", "activation=relu,tanh", "skip=without_effect"])
    assert refused.value.problems == [
        "skip=without_effect: leaves nothing of this sweep.",
        "activation: has no effect with depth=0: there is no hidden block.",
    ]


def test_what_else_is_wrong_still_refuses_the_sweep():
    with pytest.raises(ConfigError, match="depth: must be an integer"):
        compose_sweep([*MOONS, "depth=-1,1", "skip=without_effect"])
    assert find_problems([*MOONS, "norm.grups=2", "skip=without_effect"], multirun=True) != []


def test_the_words_of_a_sweep_are_in_no_config():
    cells = compose_sweep(
        [*MOONS, "depth=1,2", "width=8,16", "zip=[depth,width]", "exclude=[{depth:1}]", "skip=without_effect"]
    )
    assert [cell.command for cell in cells] == [[*MOONS, "depth=2", "width=16"]]
    assert {cells[0].config[key] for key in ("zip", "exclude", "skip")} == {None}
    assert cells[0].swept == {"depth", "width"}


def test_a_refused_sweep_says_how_cells_without_effect_are_left_out():
    with pytest.raises(ConfigError) as refused:
        compose_sweep([*MOONS, "depth=0,1", "activation=relu,tanh", "norm=none"])
    first = "dataset=moons model=mlp depth=0 activation=relu norm=none"
    where = f"(in 2 of 4 runs; first: {first}; skip=without_effect leaves them out)"
    why = "has no effect with depth=0: there is no hidden block."
    assert refused.value.problems == [f"activation: {why} {where}", f"norm: {why} {where}"]
