"""Scores that are none: older runs recorded an accuracy of weights that are not finite, which always answer the first class."""

import math
from collections.abc import Mapping
from typing import Any

from dlexp.run.record.scores import OF_ALL, SPLITS

SCORES = ("acc", "rmse", *OF_ALL)


def drop_scores_without_loss(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a run, in which the score of a split whose loss was recorded as null is nan.

    >>> drop_scores_without_loss({"val/loss": 0.3, "val/acc": 0.9, "test/loss": None, "test/acc": 0.1})
    {'val/loss': 0.3, 'val/acc': 0.9, 'test/loss': None, 'test/acc': nan}
    """
    empty = [split for split in SPLITS if _is_null(metrics.get(f"{split}/loss", 0))]
    dropped = {f"{split}/{score}" for split in empty for score in SCORES}
    return {name: math.nan if name in dropped else value for name, value in metrics.items()}


def _is_null(value: Any) -> bool:
    return value is None or value != value
