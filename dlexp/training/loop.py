"""The training loop: the order of steps and epochs. It knows no config and no part."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from torch import Tensor

Batch = tuple[Tensor, Tensor]


class Progress(NamedTuple):
    """The position of the training loop when it yields.

    Args:
        step: Number of steps done.
        epoch: Number of the epoch, from 1; 0 before training.
        batch: Number of batches of this epoch done.
        epoch_ended: Whether this epoch is complete, or was ended by the last step of the run.
    """

    step: int
    epoch: int
    batch: int
    epoch_ended: bool


START = Progress(step=0, epoch=0, batch=0, epoch_ended=True)


def train(
    step: Callable[[Tensor, Tensor], None],
    batches: Callable[[int, int], Iterable[Batch]],
    *,
    num_steps: int,
    due: Callable[[], bool] = lambda: False,
    after: Progress = START,
) -> Iterator[Progress]:
    """Train for exactly `num_steps` steps and yield at every boundary: the end of an epoch, the last step, and whenever `due`.

    The caller decides what happens at a boundary; training waits until the next value is asked for.

    Args:
        step: Takes one batch (inputs, targets) and updates the model.
        batches: Takes an epoch, counted from 1, and a number of batches to skip; gives the other batches of that epoch.
        num_steps: Total steps; the last epoch is shortened to fit.
        due: Called once after each step, so it must be cheap; a true value makes the step a boundary.
        after: The boundary at which training begins.
    """
    done, epoch, batch = after.step, after.epoch, after.batch
    if after.epoch_ended:
        epoch, batch = epoch + 1, 0
    while done < num_steps or batch:
        for inputs, targets in islice(batches(epoch, batch), num_steps - done):
            step(inputs, targets)
            done, batch = done + 1, batch + 1
            if due():
                yield Progress(done, epoch, batch, epoch_ended=False)
        yield Progress(done, epoch, batch, epoch_ended=True)
        epoch, batch = epoch + 1, 0
