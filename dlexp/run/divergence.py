"""`on_divergence`: what a run does at an epoch whose loss is not finite."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlexp.training.learner import Learner, Snapshot

MAX_BAD_IN_A_ROW = 3  # bad epochs from the same weights; each has another order of examples, so no single batch is to blame
MAX_LAYERS_IN_REASON = 2


class Divergence:
    """Follows whether the losses of each epoch are finite, and applies `on_divergence` where they are not.

    A run whose last epoch has a loss that is not finite has diverged, whatever the policy.

    Args:
        policy: `stop`: the run ends at the first bad epoch. `rollback`: weights and optimizer state return to those after the
            last finite epoch, and training goes on with the next epoch, which leaves out the batches of the bad one; the third
            bad epoch in a row ends the run. `continue`: nothing is undone.
        learner: The learner of the run, untrained.

    Source: for `rollback` Chowdhery et al. 2022, arXiv:2204.02311, section 5.1. Differs: returns by epochs rather than by some
    hundred steps, and only where a loss is not finite rather than at each spike; the schedule goes on in time.
    """

    def __init__(self, policy: str, learner: Learner) -> None:
        self.policy, self.learner = policy, learner
        self.in_a_row, self.rollbacks = 0, 0  # bad epochs up to now; rollbacks in all
        self.reason: str | None = None  # where the present row of bad epochs began
        self.finite: Snapshot | None = learner.snapshot("rollback") if policy == "rollback" else None
        self.finite_epoch = 0  # epoch of that snapshot

    def record_finite(self, epoch: int) -> None:
        """Record an epoch whose losses are finite."""
        self.in_a_row, self.reason = 0, None
        # The epoch's last step may have broken weights that no loss has used yet.
        if self.policy == "rollback" and not self.learner.find_nonfinite_layers():
            self.finite, self.finite_epoch = self.learner.snapshot("rollback"), epoch

    def record_bad(self, epoch: int, losses: list[str]) -> str | None:
        """Record an epoch in which these losses, such as `val/loss`, are not finite.

        Returns:
            A sentence on what was undone; None if nothing was.
        """
        step = self.learner.bad_step
        cause = f"the {losses[0]} of epoch {epoch} is not finite" if step is None else f"the loss of step {step} is not finite"
        self.in_a_row += 1
        if self.in_a_row == 1:
            self.reason = f"{cause}; {_describe_weights(self.learner.find_nonfinite_layers(), epoch)}"
        if self.finite is None:
            return None
        self.learner.restore(self.finite)
        self.rollbacks += 1
        return f"epoch {epoch}: {cause}; back to the weights {_after(self.finite_epoch)}"

    @property
    def ends_run(self) -> bool:
        """Whether the run ends at the present epoch, before its last step."""
        most = {"stop": 1, "rollback": MAX_BAD_IN_A_ROW}.get(self.policy)
        return most is not None and self.in_a_row >= most

    @property
    def restored_epoch(self) -> int | None:
        """The epoch to whose weights the model was just returned, 0 for untrained; None if it has those of the last epoch."""
        return self.finite_epoch if self.finite is not None and self.in_a_row else None

    @property
    def may_save(self) -> bool:
        """Whether the present state may replace an older one on disk; with `stop`, which undoes nothing, only a finite one."""
        return self.policy != "stop" or (not self.in_a_row and self.learner.is_finite())

    def explain_unusable(self, rows: Sequence[Mapping[str, float]]) -> str | None:
        """Why the present weights are no result of training: not all are finite, or no step changed them. None if they are one.

        Args:
            rows: The rows of metrics.csv.
        """
        num_steps = int(rows[-1]["step"])
        if num_steps and sum(row.get("train/overflow_steps", 0) for row in rows) == num_steps:
            return (
                f"each of the {num_steps} steps overflowed in fp16 and was skipped, so that no weight was trained; lower "
                "precision.init_scale, or use precision=bf16 or precision=fp32"
            )
        if layers := self.learner.find_nonfinite_layers():
            return self.reason or f"the last step broke the model; {_describe_weights(layers, int(rows[-1]['epoch']))}"
        return None

    def summarise(self) -> dict[str, Any]:
        """The entries of the run's summary: `rollbacks` and `reason`, where there are any."""
        counted = {} if self.finite is None else {"rollbacks": self.rollbacks}
        return counted | ({"reason": self.reason} if self.reason else {})

    def snapshot(self) -> dict[str, Any]:
        """The state that `restore` needs, weights included, under the names that saved states have always used."""
        return {
            "in_a_row": self.in_a_row,
            "rollbacks": self.rollbacks,
            "reason": self.reason,
            "kept": self.finite,
            "kept_epoch": self.finite_epoch,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Set the state to what `snapshot` returned."""
        self.in_a_row, self.rollbacks, self.reason = snapshot["in_a_row"], snapshot["rollbacks"], snapshot["reason"]
        self.finite, self.finite_epoch = snapshot["kept"], snapshot["kept_epoch"]


def _after(epoch: int) -> str:
    return f"after epoch {epoch}" if epoch else "before training"


def _describe_weights(layers: list[str], epoch: int) -> str:
    """A clause that names the layers whose weights are not finite."""
    if not layers:
        return f"all weights are {_after(epoch)}"
    more = len(layers) - MAX_LAYERS_IN_REASON
    named = [*layers[:MAX_LAYERS_IN_REASON], *([f"{more} more layer{'s' if more > 1 else ''}"] if more > 0 else [])]
    *first, last = named
    return f"not finite {_after(epoch)}: weights of {', '.join(first)}{' and ' if first else ''}{last}"
