import pytest
import torch

from dlexp.training.loop import START, Progress, train

BATCH = (torch.zeros(1), torch.zeros(1))


def run(num_steps, steps_per_epoch, **options):
    steps = []
    progress = list(
        train(
            lambda *_: steps.append(1), lambda epoch, first: [BATCH] * (steps_per_epoch - first), num_steps=num_steps, **options
        )
    )
    return len(steps), progress


@pytest.mark.parametrize("num_steps", [1, 3, 4, 5, 8, 9])
def test_trains_exactly_num_steps(num_steps):
    assert run(num_steps, 4)[0] == num_steps


def test_yields_at_the_end_of_each_epoch_and_of_the_last_cut_off_one():
    assert run(5, 2)[1] == [Progress(2, 1, 2, True), Progress(4, 2, 2, True), Progress(5, 3, 1, True)]


def test_yields_in_between_when_due():
    answers = iter([False, True, False, False])
    assert run(4, 4, due=lambda: next(answers))[1] == [Progress(2, 1, 2, False), Progress(4, 1, 4, True)]


def test_stands_still_while_the_caller_looks():
    steps = []
    training = train(lambda *_: steps.append(1), lambda epoch, first: [BATCH] * 3, num_steps=9)
    next(training)
    assert len(steps) == 3


def test_epochs_are_asked_for_from_1():
    asked = []
    list(train(lambda *_: None, lambda epoch, first: asked.append(epoch) or [BATCH], num_steps=3))
    assert asked == [1, 2, 3]


@pytest.mark.parametrize("cut", range(11))
def test_goes_on_after_any_boundary_as_if_it_had_never_stopped(cut):
    whole = run(7, 3, due=lambda: True)[1]
    boundaries = [START, *whole]
    steps, rest = run(7, 3, due=lambda: True, after=boundaries[cut])
    assert rest == whole[cut:]
    assert steps == 7 - boundaries[cut].step
