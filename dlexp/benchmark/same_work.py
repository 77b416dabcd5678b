"""Whether two arms do the same work: the same examples in the same order, as many steps, and the same final loss."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dlexp.benchmark.comparison import Case, MakeArm
from dlexp.data.batches import Batch

MAX_LOGGED_UNITS = 20  # of a block


class DifferentWorkError(AssertionError):
    """Two arms do different work, so their times cannot be compared."""


class WorkLog:
    """A log of the work of one arm: the order of the targets, the mean of each batch, and the last epoch's mean loss."""

    def __init__(self) -> None:
        self.order = hashlib.sha256()
        self.means: list[float] = []
        self.loss = math.nan

    def watch(self, batches: Callable[..., Iterable[Batch]]) -> Callable[..., Iterator[Batch]]:
        """Return the same batches of an epoch, each of which is logged when the arm takes it."""

        def watched(*epoch: int) -> Iterator[Batch]:
            for inputs, targets in batches(*epoch):
                self.order.update(targets.cpu().numpy().tobytes())
                self.means.append(float(inputs.double().mean()))
                yield inputs, targets

        return watched


@dataclass(frozen=True)
class SameWork:
    """The check that two arms do the same work.

    Args:
        loss: Largest relative difference between the last losses; None if nothing is trained.
        inputs: Largest difference between the means of a batch's inputs, in units of the scaled input.
    """

    loss: float | None
    inputs: float = 1e-5

    def __call__(self, case: Case, block: int) -> None:
        """Run both arms of a case, untimed, and compare their logs.

        Raises:
            DifferentWorkError: With every difference.
        """
        ours, *others = [_log_work(make, min(block, MAX_LOGGED_UNITS)) for make in (case.ours, case.other) if make]
        if wrong := [text for other in others for text in find_differences(ours, other, self)]:
            raise DifferentWorkError(f"{case.name}: the arms do different work: {'; '.join(wrong)}.")


def _log_work(make: MakeArm, num_units: int) -> WorkLog:
    log = WorkLog()
    make(log)(num_units)
    return log


def find_differences(ours: WorkLog, other: WorkLog, allowed: SameWork) -> list[str]:
    """The differences between the work of two arms, one message each."""
    if len(ours.means) != len(other.means) or not ours.means:
        return [f"{len(ours.means)} steps and {len(other.means)}"]
    wrong = []
    if ours.order.digest() != other.order.digest():
        wrong.append("another order of the targets")
    apart = max(abs(a - b) for a, b in zip(ours.means, other.means, strict=True))
    if not apart <= allowed.inputs:
        wrong.append(f"inputs whose means are {apart:.2g} apart")
    if allowed.loss is not None and not abs(ours.loss - other.loss) <= allowed.loss * abs(other.loss):
        wrong.append(f"loss {ours.loss:.6g} and {other.loss:.6g}")
    return wrong
