"""The training loop: which step comes when. It knows no config and no part."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from torch import Tensor

from dlexp.contract import START, Progress

Batch = tuple[Tensor, Tensor]


def train(
    step: Callable[[Tensor, Tensor], None],
    batches: Callable[[int, int], Iterable[Batch]],
    *,
    num_steps: int,
    due: Callable[[], bool] = lambda: False,
    after: Progress = START,
) -> Iterator[Progress]:
    """Train for exactly `num_steps` steps and yield at every boundary: the end of an epoch, the last step, and whenever `due`.

    What happens at a boundary is the caller's business; training stands still while the generator does.

    Args:
        step: Takes one batch (inputs, targets) and updates what is trained.
        batches: Takes an epoch, counted from 1, and a number of batches to leave out; gives the rest of that epoch's.
        num_steps: Total steps; the last epoch is cut off where it does not fit.
        due: Asked once after each step; must be cheap.
        after: The boundary after which an earlier start was cut off.
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
