"""Keep a mean of the weights of a model beside it: the group `average`."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

from dlexp.contract import Average
from dlexp.machine.precision import Precision
from dlexp.training.compile import compile_blocks, is_compiled

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]


class AveragedWeights:
    """The mean of the weights of a model, as a model of its own.

    The running statistics of batch norm are those of single steps, and do not fit the mean: before it is used they are computed
    again, from all training examples.

    Args:
        model: On its device, with its first weights.
        average: Which weights the mean is of.
        steps_per_epoch: Steps of a full epoch.
        num_steps: Steps of the run. The last one ends an epoch.
        batches: Training examples without augmentation, in batches of the run's size.
        precision: Number format of the forward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        average: Average,
        *,
        steps_per_epoch: int,
        num_steps: int,
        batches: Batches,
        precision: Precision,
    ) -> None:
        self.averaged = AveragedModel(model, multi_avg_fn=average.update)
        if is_compiled(model):
            compile_blocks(self.averaged.module)  # a copy is not
        self.average, self.steps_per_epoch, self.num_steps = average, steps_per_epoch, num_steps
        self.batches, self.precision = batches, precision
        self.is_stale = False  # whether the statistics of batch norm are those of other weights

    @property
    def has_begun(self) -> bool:
        """Whether there is a mean."""
        return bool(self.averaged.n_averaged)

    def update(self, model: nn.Module, step: int) -> None:
        """Let the weights after a step enter the mean, if they are to.

        Args:
            model: The model that is trained.
            step: Number of the step, from 1.
        """
        if self.average.every == "epoch" and step % self.steps_per_epoch and step < self.num_steps:
            return
        number = step if self.average.every == "step" else -(-step // self.steps_per_epoch)
        if number >= self.average.first:
            self.averaged.update_parameters(model)
            self.is_stale = True

    def get_model(self) -> nn.Module:
        """The model with the mean as its weights, and with statistics of batch norm that fit them."""
        model: nn.Module = self.averaged.module
        if self.is_stale:
            devices = sorted({parameter.device.index for parameter in model.parameters() if parameter.is_cuda})
            with torch.random.fork_rng(devices), self.precision.autocast:  # dropout draws random numbers
                update_bn(self.batches(), model)
            self.is_stale = False
        return model

    def snapshot(self) -> dict[str, Any]:
        """The state that `restore` needs; its tensors are shared, not copied."""
        return {"model": self.averaged.state_dict(), "is_stale": self.is_stale}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Set the state to what `snapshot` returned."""
        self.averaged.load_state_dict(snapshot["model"])
        self.is_stale = snapshot["is_stale"]
