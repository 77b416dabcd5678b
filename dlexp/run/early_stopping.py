"""Find the best epoch, and stop when no better one follows."""

from typing import Any


class EarlyStopping:
    """Follows one value, once an epoch; lower is better.

    Args:
        patience: Epochs without a better value after which training stops; None: it never stops.
        min_delta: How much lower than the best a value must be to count as better.
    """

    def __init__(self, patience: int | None, min_delta: float) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.best = float("inf")
        self.best_epoch: int | None = None
        self.epochs_without = 0

    def update(self, epoch: int, value: float) -> bool:
        """Record the value of an epoch; returns whether it is the best so far. NaN never is."""
        if value < self.best - self.min_delta or (self.best_epoch is None and value < self.best):
            self.best, self.best_epoch, self.epochs_without = value, epoch, 0
            return True
        self.epochs_without += 1
        return False

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.epochs_without >= self.patience

    def snapshot(self) -> dict[str, float | int | None]:
        """The state that `restore` needs."""
        return {"best": self.best, "best_epoch": self.best_epoch, "epochs_without": self.epochs_without}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Set the state to what `snapshot` returned."""
        self.best, self.best_epoch = snapshot["best"], snapshot["best_epoch"]
        self.epochs_without = snapshot["epochs_without"]
