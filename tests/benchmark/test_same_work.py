from dataclasses import replace
from functools import partial

import pytest

from dlexp.benchmark.comparison import Case, Figure
from dlexp.benchmark.loop import CONVNET, MLP, build_overrides
from dlexp.benchmark.same_work import DifferentWorkError, SameWork
from dlexp.benchmark.training import make_bare_loop, make_our_loop, prepare_run


def case(*changes, model=MLP, loss=1e-6):
    """Our loop, and the bare one with some changes."""
    common = build_overrides(model, 8, 5)
    return Case(
        name="made",
        arms=("ours", "bare"),
        ours=partial(make_our_loop, prepare_run(*common)),
        other=partial(make_bare_loop, prepare_run(*common, *changes)),
        figures=(Figure("ours / other"),),
        unit="steps",
        block=12,
        check=SameWork(loss=loss),
    )


@pytest.mark.parametrize("model", [MLP, CONVNET])
def test_our_loop_and_the_bare_one_do_the_same_work(model):
    same = case(model=model, loss=1e-9)
    same.check(same, 12)  # two epochs of five steps, and two steps


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ("seed=1", "another order of the targets"),
        ("optimizer.lr=0.03", "loss "),
        ("optimizer.momentum=0.8", "loss "),
        ("dataset.scale=unit", "inputs whose means are"),
        ("batch_size=4", "another order of the targets|inputs whose means are"),
    ],
)
def test_other_work_is_refused(change, difference):
    different = case(change)
    with pytest.raises(DifferentWorkError, match=f"made: the arms do different work: .*({difference})"):
        different.check(different, 12)


def test_another_number_of_steps_is_refused():
    same = case()
    fewer = replace(same, other=lambda log: lambda num_steps: same.other(log)(num_steps - 1))
    with pytest.raises(DifferentWorkError, match="12 steps and 11"):
        fewer.check(fewer, 12)
