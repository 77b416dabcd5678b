"""Numbers computed from learning curves. A curve has one value per epoch 1, 2, 3 …, without the untrained epoch 0."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dlexp.run.record.scores import FALLING, is_share, name_kind

Curve = Sequence[float] | np.ndarray

LAST_EPOCHS = 10  # that stability and trend are computed from
CONVERGED_SHARE = 0.95  # of the best accuracy, at which a run counts as converged
SMOOTHING_WINDOW = 5  # epochs


def measure_curves(losses: Curve, accuracy: Curve, *, learned: bool) -> dict[str, Any]:
    """All numbers of a run's curves, by the names of their functions.

    Args:
        losses: Loss of each epoch on the evaluated split.
        accuracy: Accuracy of each epoch; empty for a regression.
        learned: Whether the run left the neighbourhood of chance, and neither diverged, collapsed nor ended at chance.
    """
    has_accuracy = not np.isnan(accuracy).all()
    return {
        "convergence_epoch": convergence_epoch(accuracy, learned=learned),
        "stability": stability(losses),
        "trend": trend(losses),
        "best_gap": best_gap(accuracy if has_accuracy else losses, rising=has_accuracy),
        "document_convergence": document_convergence(accuracy),
        "document_volatility": document_volatility(losses),
    }


def convergence_epoch(accuracy: Curve, *, learned: bool = True) -> int | None:
    """First epoch, from 1, whose accuracy reaches 95 % of the best; None for a run that has not `learned`.

    Args:
        accuracy: Accuracy of each epoch.
        learned: Whether the run left the neighbourhood of chance, and neither diverged, collapsed nor ended at chance.
    """
    if not learned or not len(accuracy) or not np.isfinite(accuracy).all():
        return None
    return document_convergence(accuracy)


def document_convergence(accuracy: Curve) -> int | None:
    """Convergence as document 000 defines it: the same epoch, also for a run at chance, which then "converges" at epoch 1."""
    if not np.isfinite(accuracy).any():
        return None
    return epochs_to_target(accuracy, CONVERGED_SHARE * np.nanmax(accuracy), rising=True)


def stability(losses: Curve) -> float | None:
    """Standard deviation (n - 1) of the last ten losses, in units of the loss; None if there are fewer or one is not finite."""
    last = _last_epochs(losses)
    return None if last is None else float(np.std(last, ddof=1))


def document_volatility(losses: Curve) -> float | None:
    """Stability as document 000 computes it: standard deviation (n, not n - 1) of the last ten losses."""
    last = _last_epochs(losses)
    return None if last is None else float(np.std(last))


def trend(losses: Curve) -> float | None:
    """Slope of the line fitted to the last ten losses, in units of the loss per epoch."""
    last = _last_epochs(losses)
    return None if last is None else float(np.polyfit(np.arange(LAST_EPOCHS), last, 1)[0])


def _last_epochs(losses: Curve) -> np.ndarray | None:
    last = np.asarray(losses, float)[-LAST_EPOCHS:]
    return last if len(last) == LAST_EPOCHS and np.isfinite(last).all() else None


def best_gap(values: Curve, *, rising: bool) -> float | None:
    """Distance of the last value from the best one, at least 0, in the unit of the values."""
    if not len(values) or not np.isfinite(values[-1]):
        return None
    return float(np.nanmax(values) - values[-1] if rising else values[-1] - np.nanmin(values))


def smooth(values: Curve, window: int = SMOOTHING_WINDOW) -> np.ndarray:
    """Mean of each value and those before it, `window` values in all; fewer at the start."""
    return pd.Series(np.asarray(values, float)).rolling(window, min_periods=1).mean().to_numpy()


def epochs_to_target(values: Curve, target: float, *, rising: bool) -> int | None:
    """First epoch, from 1, whose value reaches the target; None if none does."""
    curve = np.asarray(values, float)
    reached = curve >= target if rising else curve <= target
    return int(np.argmax(reached)) + 1 if reached.any() else None


def time_to_target(curves: pd.DataFrame, metric: str, target: float) -> pd.Series:
    """Seconds of training (no warm-up, no evaluation) until each run first reaches a value, to the end of that epoch.

    Args:
        curves: One row per epoch, as `load_metrics` or `StudyResult.curves` have them.
        metric: A column of `curves`. An accuracy must rise to the target, any other metric must fall to it.
        target: Value to reach.

    Returns:
        Indexed by the run's id; nan where the target is never reached.
    """
    trained = curves[curves["epoch"] > 0].sort_values("epoch", kind="stable")
    seconds = {}
    for identity, curve in trained.groupby("id", sort=False):
        epoch = epochs_to_target(curve[metric].to_numpy(), target, rising=is_rising(metric))
        seconds[identity] = float(curve["seconds"].iloc[:epoch].sum()) if epoch else float("nan")
    return pd.Series(seconds, name=f"seconds to {metric} {target}", dtype=float)


def is_rising(metric: str) -> bool:
    """Whether a higher value of this metric is better."""
    return metric.rpartition("/")[2] in ("acc", "examples_per_s") or is_share(metric) and name_kind(metric) not in FALLING


def evaluated_split(curves: pd.DataFrame) -> str | None:
    """The split that was evaluated every epoch: `val`, else `test`, else None."""
    splits = {"val/loss": "val", "test/loss": "test"}
    return next((split for loss, split in splits.items() if loss in curves and curves[loss].notna().any()), None)
