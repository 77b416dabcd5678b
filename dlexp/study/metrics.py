"""The metrics that the runs of a study can have. Loads no torch."""

from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable
from dlexp.run.record.scores import OF_ALL, OF_CLASS, is_share, name_kind, split_metric

SCORES = ("loss", "acc", "rmse", *OF_ALL)
TRAINING = ("grad_norm", "clip_rate", "overflow_steps", "objective", "seconds", "examples_per_s")
COUNTS = ("seconds", "num_epochs", "num_steps", "num_parameters", "restored_epoch", "first_bad_step")
PHASES = ("setup", "warmup", "train", "evaluation", "probe", "checkpoint", "record", "tune")
# What a report computes from the curves of a run: dlexp/analysis/judge/curves.py.
DERIVED = ("diagnosed_epoch", "convergence_epoch", "stability", "best_gap", "document_convergence", "document_volatility")
MACHINE = ("memory.allocated", "memory.reserved", "memory.process")  # what is measured depends on the machine

METRICS = (
    *(f"{split}/{score}" for split in ("test", "val", "train", "best/val", "best/test") for score in SCORES),
    *(f"train/{name}" for name in TRAINING),
    *("best/epoch", "target/epoch", "target/seconds"),
    *MACHINE,
    *(f"seconds.{phase}" for phase in PHASES),
    *COUNTS,
    *DERIVED,
)


def is_rate(metric: str) -> bool:
    """Whether a metric is a rate, between 0 and 1."""
    return is_share(metric)


def is_measured(metric: str) -> bool:
    """Whether a metric is a time, a speed or an amount of memory, which depends on what else the machine does."""
    return metric in MACHINE or metric.rpartition("/")[2].partition(".")[0] in ("seconds", "examples_per_s")


def describe_unknown(metric: str) -> str:
    """What is wrong with a metric that no run of any study has; empty if there is such a metric."""
    split, score = split_metric(metric)
    if metric in METRICS or split and name_kind(metric) in OF_CLASS and "/" in score:
        return ""
    name = make_printable(metric)
    near = nearest_option(name, METRICS) if "/" in name or "." in name else nearest_option(f"test/{name}", METRICS)
    return f"no run has a metric {name}.{near} Among them are test/acc, test/loss and test/rmse."
