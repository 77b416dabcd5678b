"""The score of a batch beside its loss: the number of correct predictions, or the sum of squared errors."""

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from dlexp.contract import Task


class Score(NamedTuple):
    """How the predictions of a task are scored.

    Args:
        of_batch: Takes outputs and targets of a batch; returns the sum of its examples' scores, on their device.
        of_all: Takes the sum over all batches and the number of examples; returns the metric: `acc` in [0, 1], or `rmse` in
            units of the target.
    """

    of_batch: Callable[[Tensor, Tensor], Tensor]
    of_all: Callable[[float, float], dict[str, float]]

    def average(self, losses: Tensor, scores: Tensor, examples: Tensor) -> dict[str, float]:
        """Loss and metric over the examples of several batches.

        Outputs that are not finite are no prediction, though `argmax` gives a class: without a finite loss there is no metric.

        Args:
            losses: Mean loss of each batch, float64 on the CPU.
            scores: Sum of the scores of each batch.
            examples: Number of examples of each batch, float64 on the CPU.

        Returns:
            `loss`, and `acc` or `rmse`, which is nan if the loss is not finite.
        """
        total = float(examples.sum())
        loss = float(losses @ examples) / total
        return {"loss": loss, **self.of_all(float(scores.double().sum()) if math.isfinite(loss) else math.nan, total)}


def _num_correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Number of correct predictions. With soft targets [B, K], the most probable class counts as the right one."""
    labels = targets.argmax(1) if targets.is_floating_point() else targets
    return (outputs.argmax(1) == labels).sum()


def _sum_of_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.detach() - targets).square().sum() / targets.shape[1]


def _accuracy(score: float, total: float) -> dict[str, float]:
    return {"acc": score / total}


def _rmse(score: float, total: float) -> dict[str, float]:
    return {"rmse": (score / total) ** 0.5}


SCORES: dict[Task, Score] = {"classification": Score(_num_correct, _accuracy), "regression": Score(_sum_of_squares, _rmse)}
