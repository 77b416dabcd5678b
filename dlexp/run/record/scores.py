"""The names of the scores that runs record beside their loss. Loads no torch."""

OF_ALL = ("balanced_acc", "macro_precision", "macro_f1", "weighted_precision", "weighted_f1", "roc_auc", "ece")
"""Those of all classes of a classification, beside `acc`."""
OF_CLASS = ("recall", "precision", "f1")
"""Those of one class, which are named with it: `recall/ship`."""
FALLING = ("loss", "rmse", "ece")
"""Those of which a lower value is better."""
SHARES = ("acc", *OF_ALL, *OF_CLASS)
"""Those between 0 and 1, which are shown in per cent."""
SPLITS = ("train", "val", "test")
TESTED = ("test/loss", "test/acc", "test/rmse")
"""Those that are shown wherever a run is shown."""


def split_metric(metric: str) -> tuple[str, str]:
    """The split of a metric, and its score.

    >>> split_metric("best/val/recall/ship"), split_metric("test/acc"), split_metric("seconds")
    (('best/val', 'recall/ship'), ('test', 'acc'), ('', 'seconds'))
    """
    best = "best/" if metric.startswith("best/") else ""
    split, _, score = metric.removeprefix(best).partition("/")
    return (f"{best}{split}", score) if split in SPLITS and score else ("", metric)


def name_kind(metric: str) -> str:
    """The score of a metric without the class that it is of.

    >>> name_kind("test/recall/ship"), name_kind("test/acc")
    ('recall', 'acc')
    """
    score = split_metric(metric)[1]
    kind, _, of = score.partition("/")
    return kind if of and kind in OF_CLASS else score


def is_score(metric: str) -> bool:
    """Whether a metric is the loss or a score of a split, as opposed to a gradient, a time or a count."""
    return bool(split_metric(metric)[0]) and name_kind(metric) in (*FALLING, *SHARES)


def is_share(metric: str) -> bool:
    """Whether a metric is a score between 0 and 1, such as an accuracy."""
    return bool(split_metric(metric)[0]) and name_kind(metric) in SHARES
