"""What a learning curve says beyond its last row. Curves run over the epochs 1, 2, 3 …, without the untrained row."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

Curve = Sequence[float] | np.ndarray

LAST = 10  # epochs that stability and trend look at
REACHED = 0.95  # of the best accuracy: converged
WINDOW = 5  # epochs of a smoothed curve


def convergence_epoch(accuracy: Curve, *, learned: bool = True) -> int | None:
    """First epoch, from 1, whose accuracy reaches 95 % of the best; None for a run that diverged or ended at chance.

    Args:
        accuracy: Of each epoch.
        learned: Whether the run neither diverged nor ended at chance.
    """
    values = np.asarray(accuracy, float)
    if not learned or not len(values) or not np.isfinite(values).all():
        return None
    return document_convergence(values)


def document_convergence(accuracy: Curve) -> int | None:
    """As document 000 counts it: first epoch, from 1, at 95 % of the best, so that a run at chance "converges" at epoch 1."""
    values = np.asarray(accuracy, float)
    reached = values >= REACHED * np.nanmax(values) if np.isfinite(values).any() else np.array([False])
    return int(np.argmax(reached)) + 1 if reached.any() else None


def stability(losses: Curve) -> float | None:
    """Standard deviation (n - 1) of the last ten losses, in units of the loss; None if there are fewer or one is not finite."""
    last = _last(losses)
    return None if last is None else float(np.std(last, ddof=1))


def document_volatility(losses: Curve) -> float | None:
    """As document 000 computes it: standard deviation (n, not n - 1) of the last ten losses."""
    last = _last(losses)
    return None if last is None else float(np.std(last))


def trend(losses: Curve) -> float | None:
    """Slope of the line through the last ten losses, in units of the loss per epoch."""
    last = _last(losses)
    return None if last is None else float(np.polyfit(np.arange(LAST), last, 1)[0])


def _last(losses: Curve) -> np.ndarray | None:
    last = np.asarray(losses, float)[-LAST:]
    return last if len(last) == LAST and np.isfinite(last).all() else None


def best_gap(values: Curve, *, rising: bool) -> float | None:
    """By how much the last value falls short of the best, at least 0, in the unit of the values."""
    finite = np.asarray(values, float)
    if not len(finite) or not np.isfinite(finite[-1]):
        return None
    return float(np.nanmax(finite) - finite[-1] if rising else finite[-1] - np.nanmin(finite))


def smooth(values: Curve, window: int = WINDOW) -> np.ndarray:
    """Mean of each value and those before it, `window` in all; fewer at the start."""
    return pd.Series(np.asarray(values, float)).rolling(window, min_periods=1).mean().to_numpy()


def epochs_to_target(values: Curve, target: float, *, rising: bool) -> int | None:
    """First epoch, from 1, whose value reaches the target; None if none does."""
    curve = np.asarray(values, float)
    reached = curve >= target if rising else curve <= target
    return int(np.argmax(reached)) + 1 if reached.any() else None


def time_to_target(curves: pd.DataFrame, metric: str, target: float) -> pd.Series:
    """Seconds of training (no warm-up, no evaluation) until each run first reaches a value, to the end of that epoch.

    Args:
        curves: A row an epoch, as `load_metrics` or `StudyResult.curves` have them.
        metric: Its column; an accuracy is to rise to the target, anything else to fall to it.
        target: The value.

    Returns:
        Indexed by the run's id; nan where it is never reached.
    """
    trained = curves[curves["epoch"] > 0].sort_values("epoch", kind="stable")
    found = {}
    for identity, curve in trained.groupby("id", sort=False):
        epoch = epochs_to_target(curve[metric].to_numpy(), target, rising=is_rising(metric))
        found[identity] = float(curve["seconds"].iloc[:epoch].sum()) if epoch else float("nan")
    return pd.Series(found, name=f"seconds to {metric} {target}", dtype=float)


def is_rising(metric: str) -> bool:
    """Whether more of it is better."""
    return metric.rpartition("/")[2] in ("acc", "examples_per_s")
