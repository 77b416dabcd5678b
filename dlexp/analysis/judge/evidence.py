"""Say what in its learning curves a diagnosis was read from."""

import math

import numpy as np
import pandas as pd

from dlexp.analysis.judge.curves import evaluated_split
from dlexp.analysis.judge.diagnose import Diagnosis


def describe_evidence(found: Diagnosis, curve: pd.DataFrame, chance: float | None = None) -> str:
    """A sentence with the numbers behind a diagnosis.

    Args:
        found: The diagnosis that `diagnose` made.
        curve: The run's metrics.csv.
        chance: Accuracy of a constant answer, if the run recorded it.
    """
    trained = curve[curve["epoch"] > 0].sort_values("epoch")
    split = evaluated_split(trained) or "train"
    losses, epochs = trained["train/loss"].to_numpy(float), trained["epoch"].to_numpy(int)
    score = f"{split}/acc" if f"{split}/acc" in trained else f"{split}/rmse"
    if found.name == "diverged":
        bad = epochs[~np.isfinite(losses)]
        return f"train/loss is not finite from epoch {bad[0]} on." if len(bad) else "Its losses or weights are not finite."
    if found.name == "collapsed":
        return _describe_fall(trained, score if score.endswith("acc") else f"{split}/loss")
    if found.name == "at chance":
        return f"{score} ends at {_show(score, trained[score].iloc[-1])}, and a constant answer has {_show(score, chance)}."
    if found.name == "too short":
        return f"It has {len(epochs)} epoch{'s' if len(epochs) > 1 else ''}."
    if found.name == "overshoot":
        rises = int((np.diff(losses) > 0).sum())
        end = f"ends at {losses[-1]:.4g}; its lowest is {losses.min():.4g}"
        return f"train/loss rises in {rises} of {len(losses) - 1} epochs, and {end}."
    if found.name == "overfit":
        return _describe_gap(trained, split, score)
    if found.name == "slow":
        before = losses[-1 - max(1, len(losses) // 4)]
        return f"train/loss fell from {before:.4g} to {losses[-1]:.4g} in the last quarter of the epochs."
    if found.name == "underfit":
        name = "train/acc" if "train/acc" in trained else f"{split}/loss"
        return f"{name} ends at {_show(name, trained[name].iloc[-1])}."
    return ""


def _describe_fall(trained: pd.DataFrame, name: str) -> str:
    values = trained[name].to_numpy(float)
    best = int(np.argmax(values) if name.endswith("acc") else np.argmin(values))
    ends = [_show(name, value) for value in (values[best], values[-1])]
    return f"{name} went from {ends[0]} at epoch {trained['epoch'].iloc[best]} to {ends[1]} at the end."


def _describe_gap(trained: pd.DataFrame, split: str, score: str) -> str:
    losses = trained[f"{split}/loss"].to_numpy(float)
    lowest = int(np.argmin(losses))
    own = score.replace(f"{split}/", "train/")
    ends = f"{own} ends at {_show(own, trained[own].iloc[-1])}, {score} at {_show(score, trained[score].iloc[-1])}."
    if lowest == len(losses) - 1:
        return ends
    rise = f"{split}/loss rises from {losses[lowest]:.4g} at epoch {trained['epoch'].iloc[lowest]} to {losses[-1]:.4g}"
    return f"{rise}; {ends}"


def _show(name: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.2f} %" if name.endswith("acc") else f"{value:.4g}"
