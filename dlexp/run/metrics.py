"""The rows of metrics.csv, one for each epoch: their columns, and the numbers computed from them."""

import math
from typing import Any

from dlexp.contract import Dataset, Task
from dlexp.run.record.scores import FALLING, OF_ALL, OF_CLASS
from dlexp.run.setup.factories import changes_loss
from dlexp.run.setup.facts import Facts
from dlexp.training.learner import Numbers


def watched_split(config: dict[str, Any]) -> str | None:
    """The split that is evaluated every epoch, or None."""
    if config["evaluate_on"] == "test":
        return "test"
    return "val" if config["val_fraction"] else None


def monitored(row: Numbers, watched: str | None, monitor: str) -> float | None:
    """The value that determines the best epoch, lower is better: one of `FALLING`, or 1 minus another score."""
    if watched is None:
        return None
    value = row[f"{watched}/{monitor}"]
    return value if monitor in FALLING else 1.0 - value


def speed(rows: list[Numbers], seconds: float, watched: str | None, target: float | None) -> Numbers:
    """Seconds of training without its first step, examples per second, and epoch and seconds until the target was reached.

    Args:
        rows: Rows of metrics.csv, beginning with epoch 0.
        seconds: Seconds of training.
        watched: The split whose accuracy or RMSE must reach the target.
        target: The value to reach, or None. If it was never reached, epoch and seconds are nan.
    """
    numbers = {"train/seconds": seconds}
    timed = [row for row in rows if row.get("examples_per_s")]
    if timed:
        examples = sum(row["examples_per_s"] * row["seconds"] for row in timed)
        numbers["train/examples_per_s"] = examples / sum(row["seconds"] for row in timed)
    if target is not None:
        epoch = next((row["epoch"] for row in rows[1:] if _reaches(row, str(watched), target)), math.nan)
        until = [row["seconds"] for row in rows[1:] if row["epoch"] <= epoch]
        numbers |= {"target/epoch": epoch, "target/seconds": sum(until) if until else math.nan}
    return numbers


def _reaches(row: Numbers, watched: str, target: float) -> bool:
    if f"{watched}/acc" in row:
        return row[f"{watched}/acc"] >= target
    return row[f"{watched}/rmse"] <= target


def name_score(task: Task) -> str:
    """The metric beside the loss: `acc` or `rmse`."""
    return "acc" if task == "classification" else "rmse"


def list_scores(dataset: Dataset) -> tuple[str, ...]:
    """The scores of the test split beside loss and accuracy."""
    return OF_ALL if dataset.task == "classification" else ()


def list_class_scores(dataset: Dataset) -> list[str]:
    """The scores of each class, such as `recall/ship`."""
    return [f"{kind}/{name}" for kind in OF_CLASS for name in dataset.classes]


def list_columns(config: dict[str, Any], facts: Facts) -> list[str]:
    """The columns of metrics.csv."""
    score = name_score(facts.dataset.task)
    watched = watched_split(config)
    columns = ["epoch", "step", "lr", "train/loss", f"train/{score}"]
    columns += ["train/objective"] if changes_loss(config) or config["l1"] or config["l2"] else []
    columns += [f"{watched}/{name}" for name in dict.fromkeys(("loss", score, config["monitor"]))] if watched else []
    columns += ["train/grad_norm"]
    is_clipped = config["grad_clip"] is not None or config["grad_clip_value"] is not None
    columns += ["train/clip_rate"] if is_clipped else []
    columns += ["train/overflow_steps"] if config["precision"]["format"] == "fp16" else []
    return [*columns, "seconds", "examples_per_s"]


def list_metrics(config: dict[str, Any], facts: Facts) -> set[str]:
    """The names of the numbers that the summary of a finished run has: metrics, counts and times."""
    score = "acc" if facts.dataset.task == "classification" else "rmse"
    watched = watched_split(config)
    names = {name for name in list_columns(config, facts) if name.startswith(("train/", "val/"))}
    names |= {"test/loss", f"test/{score}", "train/seconds", "train/examples_per_s"}
    names |= {f"test/{name}" for name in (*list_scores(facts.dataset), *list_class_scores(facts.dataset))}
    names |= {"best/epoch", *(f"best/{watched}/{name}" for name in ("loss", score, config["monitor"]))} if watched else set()
    names |= {"target/epoch", "target/seconds"} if config["target"] is not None else set()
    return names
