"""Whether two arms do the same work: the same examples in the same order, as many steps, the same loss in the end."""

import hashlib
import math
from dataclasses import dataclass

from torch import Tensor

from dlexp.benchmark.comparison import Case, Make

MOST_UNITS = 20  # of a block, that are watched


class DifferentWorkError(AssertionError):
    """Two arms that do not do the same work: their times say nothing."""


class Witness:
    """Sees what an arm trains on."""

    def __init__(self) -> None:
        self.order = hashlib.sha256()
        self.means: list[float] = []
        self.loss = math.nan

    def saw(self, inputs: Tensor, targets: Tensor) -> None:
        """A batch, as the model gets it."""
        self.order.update(targets.cpu().numpy().tobytes())
        self.means.append(float(inputs.double().mean()))

    def ended(self, loss: float) -> None:
        """The mean loss of the examples since the last call; the last one counts."""
        self.loss = loss


@dataclass(frozen=True)
class SameWork:
    """Asks two arms for the same work.

    Args:
        loss: Largest relative difference between the last losses; None where nothing is trained.
        inputs: Largest difference between the means of a batch's inputs, in units of the scaled input.
    """

    loss: float | None
    inputs: float = 1e-5

    def __call__(self, case: Case, block: int) -> None:
        """Let both arms of a case work, anew and untimed, and compare what they did.

        Raises:
            DifferentWorkError: With all that differs.
        """
        ours, *others = [_watch(make, min(block, MOST_UNITS)) for make in (case.ours, case.other) if make]
        if wrong := [text for other in others for text in differences(ours, other, self)]:
            raise DifferentWorkError(f"{case.name}: the arms do different work: {'; '.join(wrong)}.")


def _watch(make: Make, num_units: int) -> Witness:
    witness = Witness()
    make(witness)(num_units)
    return witness


def differences(ours: Witness, other: Witness, allowed: SameWork) -> list[str]:
    """What tells the work of two arms apart."""
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
