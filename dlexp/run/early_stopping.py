"""Which epoch was best, and whether it is time to stop."""

from typing import Any


class Watch:
    """Follows one number, once an epoch; lower is better.

    Args:
        patience: Epochs without a better value after which to stop; None: never.
        min_delta: How much lower than the best a value must be to count as better.
    """

    def __init__(self, patience: int | None, min_delta: float) -> None:
        self.patience, self.min_delta = patience, min_delta
        self.best = float("inf")
        self.best_epoch: int | None = None
        self.epochs_without = 0

    def update(self, epoch: int, value: float) -> bool:
        """Take the value of an epoch; True if it is the best so far. A value that is not a number never is."""
        if value < self.best - self.min_delta or (self.best_epoch is None and value < self.best):
            self.best, self.best_epoch, self.epochs_without = value, epoch, 0
            return True
        self.epochs_without += 1
        return False

    def state(self) -> dict[str, float | int | None]:
        """What `load` needs to go on."""
        return {"best": self.best, "best_epoch": self.best_epoch, "epochs_without": self.epochs_without}

    def load(self, state: dict[str, Any]) -> None:
        """Put back what `state` returned."""
        self.best, self.best_epoch, self.epochs_without = state["best"], state["best_epoch"], state["epochs_without"]

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.epochs_without >= self.patience
