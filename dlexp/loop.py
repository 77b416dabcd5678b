"""The training loop: which step comes when. It knows no config and no part."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from torch import Tensor

from dlexp.contract import Progress

Batch = tuple[Tensor, Tensor]


def train(
    step: Callable[[Tensor, Tensor], None],
    batches: Callable[[int], Iterable[Batch]],
    *,
    num_steps: int,
    due: Callable[[], bool] = lambda: False,
) -> Iterator[Progress]:
    """Train for exactly `num_steps` steps and yield at every boundary: the end of an epoch, the last step, and whenever `due`.

    What happens at a boundary is the caller's business; training stands still while the generator does.

    Args:
        step: Takes one batch (inputs, targets) and updates what is trained.
        batches: The batches of an epoch, counted from 1; at least one.
        num_steps: Total steps; the last epoch is cut off where it does not fit.
        due: Asked once after each step; must be cheap.
    """
    done = epoch = 0
    while done < num_steps:
        epoch += 1
        for batch in islice(batches(epoch), num_steps - done):
            step(*batch)
            done += 1
            if due():
                yield Progress(done, epoch, epoch_ended=False)
        yield Progress(done, epoch, epoch_ended=True)
