"""Apply the probes of a run to its model, on one fixed batch and without changing anything."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor, nn

from dlexp.contract import Dataset, Probe, ProbeResult
from dlexp.data.batches import Batch, InputScaling

NUM_EXAMPLES = 512  # largest size of the fixed batch


class Probes:
    """The probes of one run.

    Args:
        probes: Name → probe and the number of epochs between two measurements; 0: at the end only.
        model: The model that they measure.
        loss: Mean over a batch.
        make_batch: Called at the first measurement; returns inputs as the model gets them, and targets.
    """

    def __init__(
        self, probes: Mapping[str, tuple[Probe, int]], model: nn.Module, loss: nn.Module, make_batch: Callable[[], Batch]
    ) -> None:
        self.probes, self.model, self.loss, self.make_batch = probes, model, loss, make_batch
        self.done: set[tuple[str, int]] = set()  # (name, epoch) of each measurement so far

    @cached_property
    def batch(self) -> Batch:
        """The batch on which all probes of the run measure, every time."""
        return self.make_batch()

    def measure(self, epoch: int, *, at_the_end: bool = False) -> Iterator[tuple[str, ProbeResult]]:
        """Measure with each probe whose turn it is: at epoch 0, at every n-th epoch, and once on the weights that are tested.

        Args:
            epoch: The epoch whose weights the model has.
            at_the_end: Whether these are the weights that are tested; a probe that has measured them does not repeat it.

        Yields:
            The probe's name and its result.
        """
        for name, (probe, every) in self.probes.items():
            due = at_the_end or every and epoch % every == 0
            if due and (name, epoch) not in self.done:
                self.done.add((name, epoch))
                with _evaluation_mode(self.model, self.batch[0].device):
                    measured = probe(*self.batch, self.loss)
                yield name, measured


@contextmanager
def _evaluation_mode(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Set eval mode; afterwards restore each module's own mode and the random generators."""
    training = {module: module.training for module in model.modules()}
    devices = [device] if device.type == "cuda" else []
    # Compiled blocks would not call the probes' hooks.
    with torch.random.fork_rng(devices=devices), torch.compiler.set_stance("force_eager"):
        model.eval()
        try:
            yield
        finally:
            for module, mode in training.items():
                module.training = mode


def fixed_batch(dataset: Dataset, scale: InputScaling, device: torch.device) -> Batch:
    """Select at most `NUM_EXAMPLES` training examples, scaled but not augmented.

    They are equally spaced in the order of the data, because the first examples of an image folder are all of one class.
    """
    index = spread(NUM_EXAMPLES, len(dataset.train.targets))
    return scale(dataset.train.inputs[index].to(device)), dataset.train.targets[index].to(device)


def spread(most: int, total: int) -> Tensor:
    """Indices of at most `most` examples out of `total`, equally spaced."""
    count = min(most, total)
    return torch.arange(count) * total // count
