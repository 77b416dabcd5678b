"""The types that the parts share. Every part of one group has the same signature; this file says which.

| group      | factory named in the YAML         | returns                                                    |
| ---------- | --------------------------------- | ---------------------------------------------------------- |
| dataset    | `read()`                          | `Source`                                                   |
| augment    | `augment()`                       | `Augment`                                                  |
| model      | `model(input_shape, num_outputs)` | `nn.Module`, [B, *input_shape] → [B, num_outputs]          |
| activation | `activation()`                    | `nn.Module`, any shape → the same                          |
| norm       | `norm(num_features)`              | `nn.Module`, [B, C] or [B, C, H, W] → the same             |
| init       | `init(model, examples)`           | nothing: fills the parameters in place                     |
| loss       | `loss()`                          | `nn.Module`, (outputs, targets) → scalar mean of the batch |
| optimizer  | `optimizer(named_parameters)`     | `torch.optim.Optimizer`                                    |
| scheduler  | `scheduler(optimizer, horizon)`   | `Schedule`                                                 |
| precision  | `precision(device)`               | `Precision` (dlexp/machine/precision.py)                           |
| probe      | `probe(model, dataset)`           | `Probe`, (inputs, targets, loss) → `Measured`              |

Targets of a classification are int64 [B] (labels), or float32 [B, K] (soft targets: the probability of each class), which an
augmentation may produce: every loss and score takes both. Targets of a regression are float32 [B, K].

An optimizer gets `model.named_parameters()`: pairs of name and tensor, which torch's optimizers accept.

Every keyword argument that such a factory has beyond these facts is listed in its YAML file, and nothing else is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from dlexp.errors import ConfigError as ConfigError  # re-exported, these three
from dlexp.errors import DatasetError as DatasetError
from dlexp.errors import UnsupportedError as UnsupportedError

Task = Literal["classification", "regression"]

Examples = Callable[[int], Tensor]
"""Takes a number n and gives n training inputs (fewer where there are fewer), at equal distances in the order of the data,
scaled as the model sees them but not augmented: float32 [n, *input_shape] on the CPU."""


class Split(NamedTuple):
    """Examples in memory.

    Shape:
        inputs uint8 [N, C, H, W] (images, raw pixels), float32 [N, F] (features) or float32 [N, T, F] (series: T steps of F
            features).
        targets int64 [N] (classes, from 0) or float32 [N, 1] (regression).
    """

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Source:
    """What a dataset part reads: everything, before subset, validation split and scaling.

    Args:
        train: Examples to train on; the validation split is cut from these.
        test: Examples for the one look at the end.
        classes: Their names, in the order of the targets; empty for a regression.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """The data of one run, as the loop sees it. The model's input is `(inputs - shift) * factor`, as float32.

    Args:
        train, test: As in `Source`, after the balanced subset and the validation split.
        val: The validation split, or None where there is none.
        classes: As in `Source`.
        shift, factor: Float32 tensors that broadcast against one example, fitted on `train` alone unless
            `dataset.scale_on=all`.
    """

    train: Split
    val: Split | None
    test: Split
    classes: tuple[str, ...]
    shift: Tensor
    factor: Tensor

    @property
    def task(self) -> Task:
        """Whether targets are classes or numbers."""
        return "classification" if self.classes else "regression"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example: (C, H, W), (F,) or (T, F)."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def chance(self) -> float | None:
        """Test accuracy of always naming the commonest class of the test split; None for a regression."""
        return float(self.test.targets.bincount().max()) / len(self.test.targets) if self.classes else None

    @property
    def num_outputs(self) -> int:
        """Number of classes K, or of regression targets."""
        return len(self.classes) or self.train.targets.shape[1]


class Horizon(NamedTuple):
    """How long a run is meant to be: what a schedule may know. `num_epochs` counts a last, cut-off epoch as one."""

    num_epochs: int
    num_steps: int


class Schedule(NamedTuple):
    """A learning-rate schedule and when to call its `step`.

    Args:
        scheduler: One of torch's, bound to the optimizer.
        every: `step`: after each optimizer step; `epoch`: after each epoch; `metric`: after each epoch, with the monitored
            value (a loss or an error rate: lower is better).
    """

    scheduler: torch.optim.lr_scheduler.LRScheduler
    every: Literal["step", "epoch", "metric"]


class Progress(NamedTuple):
    """Where training stands at a boundary.

    Args:
        step: Steps done.
        epoch: Counted from 1; 0 is the untrained model.
        batch: Batches of this epoch done.
        epoch_ended: Whether there is no more of this epoch.
    """

    step: int
    epoch: int
    batch: int
    epoch_ended: bool


START = Progress(step=0, epoch=0, batch=0, epoch_ended=True)


@runtime_checkable
class Augment(Protocol):
    """A random change of a training batch: a pure function of its parameters, which are drawn ahead for a whole epoch."""

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Tensor:
        """One row of random numbers per example, [N, P], on the CPU; P may be 0.

        A pure function of (seed, epoch): drawn from the streams `augmentation` of the seed, one for each epoch from 1 on.
        """
        ...

    def __call__(
        self,
        inputs: Shaped[Tensor, "batch channels height width"],
        targets: Shaped[Tensor, " batch *classes"],
        parameters: Shaped[Tensor, "batch numbers"],
    ) -> tuple[Shaped[Tensor, "batch channels height width"], Shaped[Tensor, " batch *_"]]:
        """Change each image, and where needed its target, by its row of parameters; on the device of the three tensors.

        Args:
            inputs: Raw pixels [B, C, H, W], before scaling. The result has the same shape and dtype.
            targets: [B] or [B, K]. Those of the result are of one kind in every batch of a run.
            parameters: [B, P], the rows of these examples.
        """
        ...


class Measured(NamedTuple):
    """What a probe finds in a model at one moment.

    Args:
        scalars: (layer, name, value) each; a layer is the path of a module or a parameter, such as `blocks.0.act`.
        arrays: What is more than a number, by name.
    """

    scalars: list[tuple[str, str, float]]
    arrays: dict[str, np.ndarray]


@runtime_checkable
class Probe(Protocol):
    """A measurement of one model on a batch, made in eval mode. It changes nothing, `.grad` included.

    Its factory raises `ConfigError` where model or data have nothing to measure; the model may be on the meta device there.
    """

    def __call__(self, inputs: Tensor, targets: Tensor, loss: nn.Module) -> Measured:
        """Measure, in float32, on examples as the model gets them: [B, *input_shape] and their targets."""
        ...
