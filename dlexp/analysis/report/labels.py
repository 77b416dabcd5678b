"""The labels of metrics, keys and values."""

import math
from collections.abc import Mapping
from typing import Any

from dlexp.analysis.judge.costs import COSTS
from dlexp.run.record.scores import OF_CLASS, SHARES, is_share, split_metric

KEY_LABELS = {
    "depth": "depth (hidden blocks)",
    "width": "width (units per block)",
    "batch_size": "batch size (examples)",
    "optimizer.lr": "learning rate",
    "dataset.per_class": "training examples per class",
    "model.order": "order",
}
METRIC_LABELS = {
    "acc": "accuracy (%)",
    "rmse": "root mean squared error",
    "grad_norm": "gradient norm",
    "clip_rate": "steps clipped (%)",
    "balanced_acc": "balanced accuracy (%)",
    "macro_precision": "mean precision of the classes (%)",
    "macro_f1": "mean F1 of the classes (%)",
    "weighted_precision": "precision weighted by class (%)",
    "weighted_f1": "F1 weighted by class (%)",
    "roc_auc": "area under the ROC curve (%)",
    "ece": "expected calibration error (%)",
}
SPLITS = {"train": "training", "val": "validation", "test": "test"}
RATES = ("error", "clip_rate")  # beside the scores of `is_share`


def is_rate(metric: str) -> bool:
    """Whether a metric lies in [0, 1] and is displayed in per cent."""
    return is_share(metric) or metric.rsplit("/", 1)[-1] in (*RATES, *SHARES)


def display_factor(metric: str) -> float:
    """The factor that converts a recorded value to the displayed unit."""
    return 100.0 if is_rate(metric) else COSTS[metric].factor if metric in COSTS else 1.0


def unit_suffix(metric: str) -> str:
    """The unit with a leading space: ` %`, ` s`; empty where the metric has no unit."""
    return " %" if is_rate(metric) else f" {COSTS[metric].unit}" if metric in COSTS else ""


def metric_label(metric: str) -> str:
    """`test/acc` → `test accuracy (%)`."""
    if metric in COSTS:
        return f"{COSTS[metric].label} ({COSTS[metric].unit})"
    best, split, name = "", *metric.rpartition("/")[::2]
    scored, score = split_metric(metric)
    kind, _, of = score.partition("/")
    if of and kind in OF_CLASS:
        split, name = scored, f"{kind.replace('f1', 'F1')} of {of} (%)"
    if split.startswith("best/"):
        best, split = "best ", split.removeprefix("best/")
    label = METRIC_LABELS.get(name, name.replace("_", " "))
    if name in ("grad_norm", "clip_rate"):
        return best + label
    return f"{best}{SPLITS.get(split, split)} {label}".strip()


def key_label(key: str) -> str:
    """`batch_size` → `batch size (examples)`; a key without a label as it is typed."""
    return KEY_LABELS.get(key, key)


def show(value: Any) -> str:
    """A value as a user would type it: `0.01`, `8`, `true`, `null`, `[256, 128]`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {show(item)}' for key, item in value.items())}}}"
    if hasattr(value, "item"):
        return show(value.item())
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else "null"
    return str(value)
