"""What ails a run, told from its curves by fixed rules, with one line of advice. A diagnosis is never a status.

The rules, in this order; the first that applies is the diagnosis. *Evaluated* is the split that was evaluated every epoch
(val, else test); without one, only what the training curve tells. The *fall* of the training loss is that of its first epoch
less its lowest, and at least a tenth of the first. *Ends* is the median of the last quarter of the epochs, three at the most.

- diverged: the status is, or a training loss is not finite.
- at chance: the accuracy ends within three binomial sd of what a constant answer gets.
- too short: fewer than four epochs.
- overshoot: the training loss ends more than 20 % of its fall above its lowest, or rises by more than 5 % of its fall in a
  third of the epochs or more.
- overfit: the evaluated loss ends more than 10 % above its lowest, and that is more than 5 % of its first; or the training
  accuracy ends more than 10 points above the evaluated one; in a regression, the evaluated error ends above 1.5 times the
  training error.
- slow: the training loss fell in three quarters of the steps of the last half, and the last quarter still brings more than
  10 % of all that it fell; 2 % are enough where all that is less than a tenth of the first loss.
- underfit: the training accuracy ends less than half way from chance to 1; in a regression, the evaluated loss ends above half
  of the untrained model's.
- fine: none of these.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dlexp.analysis.judge.statistics import noise_floor

ADVICE = {
    "diverged": "Lower the learning rate, or clip the gradient.",
    "at chance": "It answers as if it saw no data: divide the learning rate by ten, or change initialisation or norm.",
    "too short": "Train for more epochs before judging it.",
    "overshoot": "The steps are too long: lower the learning rate, or let a schedule lower it.",
    "overfit": "Regularise (augmentation, dropout, weight decay), add data, or stop early.",
    "slow": "It is still learning: train longer, or raise the learning rate.",
    "underfit": "It has stopped learning too soon: take a larger net, or a better learning rate, activation or norm.",
    "fine": "Nothing stands out.",
}
CLASSES = {"digits": 10, "moons": 2, "circles": 2, "fashion_mnist": 10, "mnist": 10, "cifar10": 10, "cifar100": 100}
MANY = 10_000  # test examples, where the summary does not say


class Diagnosis(NamedTuple):
    """What ails a run.

    Args:
        name: A key of `ADVICE`.
        epoch: Where the evaluated loss was lowest, of an overfit run; else None.
    """

    name: str
    epoch: int | None = None

    @property
    def advice(self) -> str:
        """One line."""
        return ADVICE[self.name] + (f" The evaluated loss was lowest at epoch {self.epoch}." if self.epoch else "")


def chance_of(run: Mapping[str, Any]) -> float | None:
    """The accuracy of a constant answer: `chance` of the summary if it is there, else of balanced classes; None if unknown."""
    known = run.get("chance")
    if known is not None and known == known:
        return float(known)
    classes = CLASSES.get(str(run.get("dataset")), run.get("dataset.num_classes"))
    return 1 / float(classes) if classes is not None and classes == classes else None


def evaluated(curve: pd.DataFrame) -> str | None:
    """The split that was evaluated every epoch."""
    return next((split for split in ("val", "test") if f"{split}/loss" in curve and curve[f"{split}/loss"].notna().any()), None)


def is_at_chance(accuracy: np.ndarray, chance: float | None, num_examples: float = MANY) -> bool:
    """Whether it ends within three binomial standard deviations of a constant answer's accuracy."""
    if chance is None or not len(accuracy):
        return False
    return bool(_end(accuracy) <= chance + 3 * noise_floor(chance, num_examples))


def diagnose(
    curve: pd.DataFrame, *, status: str = "done", chance: float | None = None, num_examples: float = MANY
) -> Diagnosis:
    """Diagnose one run.

    Args:
        curve: Its metrics.csv.
        status: Its status.
        chance: Accuracy of a constant answer; None where that is not known: then nothing is "at chance".
        num_examples: That an accuracy is counted on.
    """
    trained = curve[curve["epoch"] > 0].sort_values("epoch")
    split = evaluated(trained)
    losses = trained["train/loss"].to_numpy(float)
    if status == "diverged" or not np.isfinite(losses).all():
        return Diagnosis("diverged")
    accuracy = trained.get("train/acc", pd.Series(dtype=float)).dropna().to_numpy(float)
    judged = trained[f"{split}/acc"].to_numpy(float) if split and len(accuracy) else accuracy
    if is_at_chance(judged, chance, num_examples):
        return Diagnosis("at chance")
    if len(losses) < 4:
        return Diagnosis("too short")
    if _overshoots(losses):
        return Diagnosis("overshoot")
    if split and (lowest := _overfits(trained, split, regression=not len(accuracy))):
        return Diagnosis("overfit", lowest)
    if _is_slow(losses):
        return Diagnosis("slow")
    if len(accuracy):
        base = chance or 0.0
        return Diagnosis("underfit" if _end(accuracy) < base + (1 - base) / 2 else "fine")
    untrained = curve.loc[curve["epoch"] == 0, f"{split}/loss"] if split else pd.Series(dtype=float)
    stuck = split and len(untrained) and _end(trained[f"{split}/loss"].to_numpy(float)) > untrained.iloc[0] / 2
    return Diagnosis("underfit" if stuck else "fine")


def _end(values: np.ndarray) -> float:
    return float(np.median(values[-max(1, min(3, len(values) // 4)) :]))


def _fall(losses: np.ndarray) -> float:
    return max(losses[0] - losses.min(), 0.1 * abs(losses[0]))


def _overshoots(losses: np.ndarray) -> bool:
    ends_high = _end(losses) - losses.min() > 0.2 * _fall(losses)
    rises = np.mean(np.diff(losses) > 0.05 * _fall(losses))
    return bool(ends_high or rises >= 1 / 3)


def _overfits(trained: pd.DataFrame, split: str, *, regression: bool) -> int | None:
    """The epoch of the lowest evaluated loss, if the run overfits."""
    losses = trained[f"{split}/loss"].to_numpy(float)
    if not np.isfinite(losses).all():
        return None
    rise = _end(losses) - losses.min()
    rose = rise > 0.1 * losses.min() and rise > 0.05 * losses[0]
    score = "rmse" if regression else "acc"
    seen, unseen = (_end(trained[f"{name}/{score}"].to_numpy(float)) for name in ("train", split))
    apart = unseen > 1.5 * seen if regression else seen - unseen > 0.1
    return int(trained["epoch"].to_numpy()[np.argmin(losses)]) if rose or apart else None


def _is_slow(losses: np.ndarray) -> bool:
    steps = np.diff(losses)
    still_falls = np.mean(steps[-(len(steps) + 1) // 2 :] < 0) >= 3 / 4
    fall, late = losses[0] - losses.min(), losses[-1 - max(1, len(losses) // 4)] - losses[-1]
    return bool(still_falls and late > (0.1 if fall > 0.1 * losses[0] else 0.02) * fall)
