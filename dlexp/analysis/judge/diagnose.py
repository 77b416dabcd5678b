"""Diagnose a run from its learning curves by fixed rules, with one line of advice. A diagnosis is not a status.

The first rule that applies, in this order, is the diagnosis. *Evaluated* refers to the split that was evaluated every epoch
(val, else test); without one, only the training curve is used. The *fall* of the training loss is its first value minus its
lowest, and at least a tenth of the first. *Ends* refers to the median of the last quarter of the epochs, at most three.

- diverged: the status is, or a training loss is not finite.
- collapsed: it did not keep what it had reached, neither in training nor on the evaluated split. Each accuracy ends more than a
  third of the way from its best value down to chance, the evaluated one also more than six binomial sd below its best. In a
  regression each loss fell below half of the untrained model's, and ends more than a third of the way back to it.
- at chance: the accuracy ends within three binomial sd of that of a constant answer, which the run recorded as `chance`.
- too short: fewer than four epochs.
- overshoot: the training loss ends more than 20 % of its fall above its lowest value, or rises by more than 5 % of its fall in
  at least a third of the epochs.
- overfit: the evaluated loss ends more than 10 % above its lowest value, and by more than 5 % of its first value; or the
  training accuracy ends more than 10 points above the evaluated one; in a regression, the evaluated error ends above 1.5 times
  the training error, unless the evaluated loss is lowest in the last epoch and fell by more than 5 % in the last quarter.
- slow: the training loss fell in three quarters of the steps of the last half, and the last quarter contributes more than 10 %
  of the whole fall; 2 % are enough where the whole fall is less than a tenth of the first loss.
- underfit: the training accuracy ends less than half way from chance to 1; in a regression, the evaluated loss ends above half
  of the untrained model's.
- fine: none of these.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from dlexp.analysis.judge.curves import evaluated_split
from dlexp.analysis.judge.statistics import binomial_sd

ADVICE = {
    "diverged": "Lower the learning rate, or clip the gradient.",
    "collapsed": "It lost what it had learned: lower the learning rate, clip the gradient, or stop early at the best epoch.",
    "at chance": "Its predictions ignore the data: divide the learning rate by ten, or change initialisation or norm.",
    "too short": "Train for more epochs before judging it.",
    "overshoot": "The steps are too long: lower the learning rate, or let a schedule lower it.",
    "overfit": "Regularise (augmentation, dropout, weight decay), add data, or stop early.",
    "slow": "It is still learning: train longer, or raise the learning rate.",
    "underfit": "It stopped learning too soon: use a larger network, or a better learning rate, activation or norm.",
    "fine": "Nothing stands out.",
}
UNLEARNED = ("diverged", "collapsed", "at chance")  # diagnoses of runs that have nothing to show in the end
DEFAULT_TEST_EXAMPLES = 10_000  # where the summary has no number


class Diagnosis(NamedTuple):
    """The diagnosis of one run.

    Args:
        name: A key of `ADVICE`.
        epoch: The epoch of the lowest evaluated loss of an overfit run; else None.
    """

    name: str
    epoch: int | None = None

    @property
    def advice(self) -> str:
        """Advice in one line."""
        return ADVICE[self.name] + (f" The evaluated loss was lowest at epoch {self.epoch}." if self.epoch else "")


def diagnose(
    curve: pd.DataFrame, *, status: str = "done", chance: float | None = None, num_examples: float = DEFAULT_TEST_EXAMPLES
) -> Diagnosis:
    """Diagnose one run.

    Args:
        curve: The run's metrics.csv.
        status: The run's status.
        chance: Accuracy of a constant answer, as the run recorded it. None if unknown: then no run is "at chance".
        num_examples: Number of examples that the accuracy is computed on.
    """
    trained = curve[curve["epoch"] > 0].sort_values("epoch")
    split = evaluated_split(trained)
    losses = trained["train/loss"].to_numpy(float)
    if status == "diverged" or not np.isfinite(losses).all():
        return Diagnosis("diverged")
    accuracy = trained.get("train/acc", pd.Series(dtype=float)).dropna().to_numpy(float)
    evaluated = trained[f"{split}/acc"].to_numpy(float) if split and len(accuracy) else accuracy
    untrained = curve.loc[curve["epoch"] == 0, f"{split}/loss"].to_numpy(float) if split else losses[:0]
    if len(accuracy):
        collapsed = _accuracy_collapsed(accuracy, evaluated, chance or 0.0, num_examples)
    else:
        collapsed = _losses_collapsed(losses, trained[f"{split}/loss"].to_numpy(float) if split else losses, untrained)
    if collapsed:
        return Diagnosis("collapsed")
    if chance is not None and len(evaluated) and _end(evaluated) <= chance + 3 * binomial_sd(chance, num_examples):
        return Diagnosis("at chance")
    if len(losses) < 4:
        return Diagnosis("too short")
    if _overshoots(losses):
        return Diagnosis("overshoot")
    if split and (lowest := _overfit_epoch(trained, split, regression=not len(accuracy))):
        return Diagnosis("overfit", lowest)
    if _is_slow(losses):
        return Diagnosis("slow")
    if len(accuracy):
        base = chance or 0.0
        return Diagnosis("underfit" if _end(accuracy) < base + (1 - base) / 2 else "fine")
    stuck = len(untrained) and _end(trained[f"{split}/loss"].to_numpy(float)) > untrained[0] / 2
    return Diagnosis("underfit" if stuck else "fine")


def has_learned(accuracy: np.ndarray, chance: float | None, num_examples: float = DEFAULT_TEST_EXAMPLES) -> bool:
    """Whether an accuracy ever left the neighbourhood of chance.

    The neighbourhood is three binomial sd wide, and at least five points, or as wide as chance where this is less.

    Args:
        accuracy: Of each epoch on the evaluated split.
        chance: Accuracy of a constant answer; None if unknown, then every run has learned.
        num_examples: Number of examples that the accuracy is computed on.
    """
    if chance is None or not len(accuracy):
        return True
    return bool(np.nanmax(accuracy) > chance + max(3 * binomial_sd(chance, num_examples), min(chance, 0.05)))


def _accuracy_collapsed(seen: np.ndarray, evaluated: np.ndarray, chance: float, num_examples: float) -> bool:
    lost = all(_end(values) < values.max() - (values.max() - chance) / 3 for values in (seen, evaluated))
    best = float(evaluated.max())
    return bool(lost and _end(evaluated) < best - 6 * binomial_sd(best, num_examples))


def _losses_collapsed(seen: np.ndarray, evaluated: np.ndarray, untrained: np.ndarray) -> bool:
    start = untrained[0] if len(untrained) else seen[0]
    return all(
        values.min() < start / 2 and _end(values) > values.min() + (start - values.min()) / 3 for values in (seen, evaluated)
    )


def _end(values: np.ndarray) -> float:
    return float(np.median(values[-max(1, min(3, len(values) // 4)) :]))


def _fall(losses: np.ndarray) -> float:
    return max(losses[0] - losses.min(), 0.1 * abs(losses[0]))


def _overshoots(losses: np.ndarray) -> bool:
    ends_high = _end(losses) - losses.min() > 0.2 * _fall(losses)
    rises = np.mean(np.diff(losses) > 0.05 * _fall(losses))
    return bool(ends_high or rises >= 1 / 3)


def _overfit_epoch(trained: pd.DataFrame, split: str, *, regression: bool) -> int | None:
    """The epoch of the lowest evaluated loss if the run overfits, else None."""
    losses = trained[f"{split}/loss"].to_numpy(float)
    if not np.isfinite(losses).all():
        return None
    rise = _end(losses) - losses.min()
    rose = rise > 0.1 * losses.min() and rise > 0.05 * losses[0]
    score = "rmse" if regression else "acc"
    seen, unseen = (_end(trained[f"{name}/{score}"].to_numpy(float)) for name in ("train", split))
    apart = unseen > 1.5 * seen and not _still_falls(losses) if regression else seen - unseen > 0.1
    return int(trained["epoch"].to_numpy()[np.argmin(losses)]) if rose or apart else None


def _still_falls(losses: np.ndarray) -> bool:
    before = losses[-1 - max(1, len(losses) // 4)]
    return bool(losses[-1] == losses.min() and losses[-1] < 0.95 * before)


def _is_slow(losses: np.ndarray) -> bool:
    steps = np.diff(losses)
    still_falls = np.mean(steps[-(len(steps) + 1) // 2 :] < 0) >= 3 / 4
    fall, late = losses[0] - losses.min(), losses[-1 - max(1, len(losses) // 4)] - losses[-1]
    return bool(still_falls and late > (0.1 if fall > 0.1 * losses[0] else 0.02) * fall)
