"""What a run does at an epoch whose loss is not finite: `on_divergence`."""

from typing import Any

from dlexp.training.learner import Learner

MOST_IN_A_ROW = 3  # bad epochs from the same weights: each saw the examples in another order, so no batch is to blame
MOST_LAYERS = 2  # that a reason names


class Divergence:
    """Follows whether the epochs of a run are finite, and does what `on_divergence` says at one that is not.

    A run that ends with such an epoch has diverged, whatever the policy.

    Args:
        policy: `stop`: the run ends there. `rollback`: weights and optimizer state go back to what they were after the last
            finite epoch, and the run goes on with the next, so that the batches of the bad one are left out; the third bad
            one in a row ends the run. `continue`: nothing is undone.
        learner: What is trained, still untrained.

    Source: of `rollback`, Chowdhery et al. 2022, arXiv:2204.02311, section 5.1. Differs: goes back by epochs, not by some
    hundred steps, and only where a loss is not finite, not where it spikes; the schedule goes on in time.
    """

    def __init__(self, policy: str, learner: Learner) -> None:
        self.policy, self.learner = policy, learner
        self.in_a_row, self.rollbacks = 0, 0  # bad epochs up to now; in all
        self.reason: str | None = None  # of the bad epochs in a row: where they began
        self.kept: dict[str, Any] | None = None
        self.kept_epoch = 0
        if policy == "rollback":
            self.kept = learner.keep()

    def take_finite(self, epoch: int) -> None:
        """Take an epoch whose losses are finite."""
        self.in_a_row, self.reason = 0, None
        # Its last step may have spoiled weights that no loss has seen yet.
        if self.policy == "rollback" and not self.learner.not_finite():
            self.kept, self.kept_epoch = self.learner.keep(), epoch

    def take_bad(self, epoch: int, losses: list[str]) -> str | None:
        """Take an epoch with losses that are not finite, such as `val/loss`.

        Returns:
            What was undone, a sentence; None where nothing was.
        """
        step = self.learner.bad_step
        cause = f"the {losses[0]} of epoch {epoch} is not finite" if step is None else f"the loss of step {step} is not finite"
        self.in_a_row += 1
        if self.in_a_row == 1:
            self.reason = f"{cause}; {_where(self.learner.not_finite(), epoch)}"
        if self.kept is None:
            return None
        self.learner.go_back(self.kept)
        self.rollbacks += 1
        return f"epoch {epoch}: {cause}; back to the weights {_after(self.kept_epoch)}"

    @property
    def ends_run(self) -> bool:
        """Whether the run ends here, short of its last step."""
        most = {"stop": 1, "rollback": MOST_IN_A_ROW}.get(self.policy)
        return most is not None and self.in_a_row >= most

    @property
    def back_at(self) -> int | None:
        """The epoch whose weights the model was just brought back to, 0 if untrained; None where it has those of the last."""
        return self.kept_epoch if self.kept is not None and self.in_a_row else None

    @property
    def may_save(self) -> bool:
        """Whether a state of now may take the place of an older one: with `stop`, which undoes nothing, only a finite one."""
        return self.policy != "stop" or (not self.in_a_row and self.learner.is_finite())

    def summary(self) -> dict[str, Any]:
        """What the summary says of it."""
        counted = {} if self.kept is None else {"rollbacks": self.rollbacks}
        return counted | ({"reason": self.reason} if self.reason else {})

    def state(self) -> dict[str, Any]:
        """What `load` needs to go on, the kept weights among it."""
        names = ("in_a_row", "rollbacks", "reason", "kept", "kept_epoch")
        return {name: getattr(self, name) for name in names}

    def load(self, state: dict[str, Any]) -> None:
        """Put back what `state` returned."""
        self.in_a_row, self.rollbacks, self.reason = state["in_a_row"], state["rollbacks"], state["reason"]
        self.kept, self.kept_epoch = state["kept"], state["kept_epoch"]


def _after(epoch: int) -> str:
    return f"after epoch {epoch}" if epoch else "before training"


def _where(layers: list[str], epoch: int) -> str:
    """Which weights are not finite either."""
    if not layers:
        return f"all weights are {_after(epoch)}"
    more = len(layers) - MOST_LAYERS
    named = [*layers[:MOST_LAYERS], *([f"{more} more layer{'s' if more > 1 else ''}"] if more > 0 else [])]
    *first, last = named
    return f"not finite {_after(epoch)}: weights of {', '.join(first)}{' and ' if first else ''}{last}"
