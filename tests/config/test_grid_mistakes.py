import pytest

from dlexp.config.check import find_problems
from dlexp.config.lookup import look_up

MISTAKES = {  # of a sweep over depth (2 values), width (3), norm (bn, gn); what is typed beside → what is answered
    "zip=[depth,width]": "zip=[depth,width]: depth has 2 values, width has 3 values: axes that go together have equally many.",
    "zip=[depth]": "zip=[depth]: [depth] is one axis: name two or more that go together.",
    "zip=[depth,depth]": "zip=[depth,depth]: depth comes twice.",
    "zip=[[depth,norm],[norm,depth]]": "zip=[[depth,norm],[norm,depth]]: norm comes twice.",
    "zip=[depth,nrm]": "zip=[depth,nrm]: nrm is no axis here. The axes are depth, width, norm. Did you mean norm?",
    "zip=[seed,depth]": "zip=[seed,depth]: seed is no axis here. The axes are depth, width, norm.",
    "zip=depth,width": "zip=depth,width: zip takes one list: zip=[depth,width].",
    "zip=depth": "zip=depth: must be a list of axes that go together, such as [depth, width], or of several such lists, got",
    "zip=[]": "zip=[]: must be a list of axes that go together",
    "zip=[[depth,width],1]": "zip=[[depth,width],1]: must be a list of axes that go together",
    "exclude=[{norm:bm}]": "exclude=[{norm:bm}]: {norm: bm}: norm has no value bm, but bn, gn. Did you mean bn?",
    "exclude=[{nrm:bn}]": "exclude=[{nrm:bn}]: {nrm: bn}: nrm is no axis here. The axes are",
    "exclude=[{norm:bn},{norm:gn}]": "exclude=[{norm:bn},{norm:gn}]: leaves none of the 12 combinations.",
    "exclude={norm:bn}": "exclude={norm:bn}: must be a list of combinations to leave out, such as [{norm: bn, ",
    "exclude=[]": "exclude=[]: must be a list of combinations",
    "exclude=[{}]": "exclude=[{}]: must be a list of combinations",
    "exclude=norm": "exclude=norm: must be a list of combinations",
    "skip=everything": "skip=everything: must be without_effect, got 'everything'.",
    "+skip=without_effect": "+skip=without_effect: skip is there already: leave out the plus sign.",
    "~zip": "~zip: nothing can be deleted from a config.",
}
AXES = ("depth=1,2", "width=8,16,32", "norm=bn,gn")


@pytest.mark.parametrize(("typed", "message"), MISTAKES.items())
def test_a_mistake_names_the_axis_and_what_was_expected(typed: str, message: str) -> None:
    lines = look_up([*AXES, typed], multirun=True)
    assert lines
    assert lines[0].startswith(message)
    assert all(line.isprintable() for line in lines)


def test_a_combination_that_does_not_occur_is_refused() -> None:
    (line,) = look_up(["depth=1,2", "width=8,16", "zip=[depth,width]", "exclude=[{depth:1,width:16}]"], multirun=True)
    assert line.endswith("{depth: 1, width: 16}: leaves out nothing: no combination has these values.")


def test_an_axis_that_goes_together_varies() -> None:
    (line,) = look_up(["depth=1", "width=8", "zip=[depth,width]"], multirun=True)
    assert line.endswith("depth has 1 value: axes that go together have two or more.")


@pytest.mark.parametrize("typed", ["zip=[depth,width]", "exclude=[{depth:1}]", "skip=without_effect"])
def test_a_single_run_takes_no_word_of_a_sweep(typed: str) -> None:
    assert look_up(["depth=1", typed], multirun=False) == [
        f"{typed}: says how a sweep is made, and this is one run: add -m, or leave it out."
    ]
    assert look_up(["depth=1,2", "width=1,2", "hydra.mode=MULTIRUN", typed], multirun=False) == []


def test_axes_of_hydras_sweeper_go_together_too() -> None:
    assert look_up(["hydra.sweeper.params.depth='1,2'", "width=8,16", "zip=[depth,width]"], multirun=True) == []
    (line,) = look_up(["hydra.sweeper.params.depth='1,2,3'", "width=8,16", "zip=[depth,width]"], multirun=True)
    assert "depth has 3 values, width has 2 values" in line


def test_axes_that_go_together_are_counted_once() -> None:
    thousand = ["seed=range(0,1000)", "depth=range(0,1000)"]
    assert look_up([*thousand, "zip=[seed,depth]"], multirun=True) == []
    assert look_up(thousand, multirun=True) != []


def test_a_mistyped_word_is_answered_with_the_right_one() -> None:
    assert look_up([*AXES, "exclud=[{norm:bn}]"], multirun=True) == [
        "exclud=[{norm:bn}]: no such key. Did you mean 'exclude=[{norm:bn}]'?"
    ]


def test_a_refused_sweep_names_mistakes_of_its_own_cells_alone() -> None:
    command = ["val_fraction=0.1,0", "evaluate_on=val,test", "nrm=1"]
    assert len(find_problems(command, multirun=True)) == 3
    assert len(find_problems([*command, "zip=[val_fraction,evaluate_on]"], multirun=True)) == 1
    assert (
        len(
            find_problems(
                [*command, "exclude=[{val_fraction:0.1,evaluate_on:test},{val_fraction:0,evaluate_on:val}]"], multirun=True
            )
        )
        == 1
    )


@pytest.mark.parametrize("size", [1, 50])
def test_what_comes_from_the_user_is_printable_and_short(size: int) -> None:
    for typed in (f"zip=['\x1b{'x' * 99 * size}',depth]", f"exclude=[{{'\x1b{'x' * 99 * size}':1}}]"):
        lines = look_up([*AXES, typed], multirun=True)
        assert lines
        assert all(line.isprintable() and len(line) < 600 for line in lines)
