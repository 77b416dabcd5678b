"""What a trainer needs of the thing that it trains. `single_learner.py` trains one model."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

Numbers = dict[str, float]

Scope = Literal["weights", "rollback", "everything"]
"""How much a snapshot holds. `weights`: parameters and buffers, those that would be tested. `rollback`: those of training, and
the optimizer's state of each parameter. `everything`: all that the next steps and the next `collect` depend on."""

Snapshot = dict[str, Any]
"""Tensors, numbers, lists and dicts, which `torch.load(weights_only=True)` can read. `model` holds parameters and buffers."""


@runtime_checkable
class Learner(Protocol):
    """A model with its loss, optimizer, schedule and number format, on one device. Nothing else touches these.

    What a step measures stays on the device until `collect` reads it: no step waits for the device.
    """

    notes: list[str]
    """Messages for the user about the steps since the list was last cleared."""
    bad_step: int | None
    """The first step without a finite loss among those that `collect` read last, counted from 1."""
    first_bad_step: int | None
    """The first step of the run without a finite loss."""

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        ...

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """Update the parameters from one batch."""
        ...

    def collect(self) -> Numbers:
        """Average the measurements of the steps since the last call, weighted by examples. Waits for the device once."""
        ...

    def end_epoch(self, monitored: float | None) -> None:
        """Advance a schedule that counts epochs, or that watches `monitored` (lower is better)."""
        ...

    def evaluate(
        self,
        batches: Callable[[], Iterable[tuple[Tensor, Tensor]]],
        outputs_of: list[Tensor] | None = None,
        *,
        mirror: bool = False,
    ) -> Numbers:
        """Compute loss and score over all examples of a split. Changes nothing."""
        ...

    def end_training(self) -> None:
        """Give the model the weights that are to be tested."""
        ...

    def snapshot(self, scope: Scope) -> Snapshot:
        """Copy the state, as much of it as `scope` names; of `everything` the tensors are shared, not copied."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Set the state to a snapshot. What the snapshot does not hold stays as it is."""
        ...

    def find_nonfinite_layers(self) -> list[str]:
        """Names of the layers whose parameters or buffers are not all finite. Waits for the device once."""
        ...

    def is_finite(self) -> bool:
        """Whether all weights, and the losses not yet collected, are finite. Waits for the device."""
        ...

    def count_microbatches(self) -> dict[str, int]:
        """The present number of parts of a batch, in training and in evaluation; empty if no batch is ever split."""
        ...
