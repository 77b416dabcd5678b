"""What is counted of a batch beside its loss: right answers, or squared errors."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from dlexp.contract import Task


class Score(NamedTuple):
    """How a task is scored.

    Args:
        of_batch: Takes outputs and targets, and gives a number that may be added up, on their device.
        of_all: Takes the sum of these and the number of examples, and gives what is reported: `acc` in [0, 1], or `rmse` in
            units of the target.
    """

    of_batch: Callable[[Tensor, Tensor], Tensor]
    of_all: Callable[[float, float], dict[str, float]]


def _num_correct(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).sum()


def _sum_of_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.detach() - targets).square().sum() / targets.shape[1]


def _accuracy(score: float, total: float) -> dict[str, float]:
    return {"acc": score / total}


def _rmse(score: float, total: float) -> dict[str, float]:
    return {"rmse": (score / total) ** 0.5}


SCORES: dict[Task, Score] = {"classification": Score(_num_correct, _accuracy), "regression": Score(_sum_of_squares, _rmse)}
