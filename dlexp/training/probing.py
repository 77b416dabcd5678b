"""Apply the probes of a run to its model, on one fixed batch and without changing anything.

A probe finds the model in one of two modes, which the key `mode` of its file names:
`train`: as in a training step on the batch. Batch norm, and each other module with buffers of its own, is in training mode and
so uses the statistics of the batch; the buffers are restored. What is frozen is in eval mode, as it is in training.
`eval`: as in an evaluation. Batch norm uses its running statistics. A file without the key means this mode.
Dropout is off in both modes: a measurement draws no random numbers, and is that of the whole net.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from dlexp.contract import Dataset, Probe, ProbeResult
from dlexp.data.batches import Batch, InputScaling

ProbeMode = Literal["train", "eval"]
NUM_EXAMPLES = 512  # largest size of the fixed batch


class PlannedProbe(NamedTuple):
    """A probe, and how a run measures with it.

    Args:
        measure: The probe.
        every: Number of epochs between two measurements; 0: at the end only.
        mode: The mode in which the probe finds the model: see above.
    """

    measure: Probe
    every: int
    mode: ProbeMode


class Measurement(NamedTuple):
    """The name of a probe, the mode in which it found the model, and its result."""

    probe: str
    mode: ProbeMode
    result: ProbeResult


class Probes:
    """The probes of one run.

    Args:
        probes: Name → probe.
        model: The model that they measure.
        loss: Mean over a batch.
        make_batch: Called at the first measurement; returns inputs as the model gets them, and targets.
    """

    def __init__(
        self, probes: Mapping[str, PlannedProbe], model: nn.Module, loss: nn.Module, make_batch: Callable[[], Batch]
    ) -> None:
        self.probes, self.model, self.loss, self.make_batch = probes, model, loss, make_batch
        self.done: set[tuple[str, int]] = set()  # (name, epoch) of each measurement so far

    @cached_property
    def batch(self) -> Batch:
        """The batch on which all probes of the run measure, every time."""
        return self.make_batch()

    def measure(self, epoch: int, *, at_the_end: bool = False) -> Iterator[Measurement]:
        """Measure with each probe whose turn it is: at epoch 0, at every n-th epoch, and once on the weights that are tested.

        Args:
            epoch: The epoch whose weights the model has.
            at_the_end: Whether these are the weights that are tested; a probe that has measured them does not repeat it.
        """
        for name, (probe, every, mode) in self.probes.items():
            due = at_the_end or every and epoch % every == 0
            if due and (name, epoch) not in self.done:
                self.done.add((name, epoch))
                with set_probe_mode(self.model, mode, self.batch[0].device):
                    measured = probe(*self.batch, self.loss)
                yield Measurement(name, mode, measured)


@contextmanager
def set_probe_mode(model: nn.Module, mode: ProbeMode, device: torch.device) -> Iterator[None]:
    """Set the mode of a measurement; afterwards restore each module's own mode, the buffers and the random generators.

    Args:
        model: In training mode, its frozen modules in eval mode.
        mode: See the top of this file.
        device: That of the model.
    """
    training = {module: module.training for module in model.modules()}
    buffers = [(module, name, buffer) for module in training for name, buffer in module.named_buffers(recurse=False)]
    copies = [buffer.clone() for _, _, buffer in buffers]
    devices = [device] if device.type == "cuda" else []
    # Compiled blocks would not call the probes' hooks.
    with torch.random.fork_rng(devices=devices), torch.compiler.set_stance("force_eager"):
        model.eval()
        if mode == "train":
            for module, _, _ in buffers:
                module.training = training[module]
        try:
            yield
        finally:
            for module, was_training in training.items():
                module.training = was_training
            for (module, name, buffer), copy in zip(buffers, copies, strict=True):
                setattr(module, name, buffer.copy_(copy))  # set again, because the module may have put another one there


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
