"""The interfaces of the parts: what each receives and returns. Read this file first.

A part is one option of a config group. Its file conf/<group>/<option>.yaml names a factory (`_target_`) and gives a value for
each keyword-only parameter of the factory, no more and no fewer [1]. The run calls the factory with the arguments in the table.
All options of a group have the same signature, so any one can replace another.

| group      | factory                           | returns                                                         |
| ---------- | --------------------------------- | --------------------------------------------------------------- |
| dataset    | `read()`                          | `Source`                                                        |
| augment    | `augment()`                       | `Augment`                                                       |
| model      | `model(input_shape, num_outputs)` | `nn.Module`: [B, *input_shape] → [B, num_outputs]               |
| activation | `activation()`                    | `nn.Module`: any shape → the same shape                         |
| norm       | `norm(num_features)`              | `nn.Module`: [B, C] or [B, C, H, W] → the same shape            |
| init       | `init(model, examples)`           | `None`: fills the model's parameters in place                   |
| loss       | `loss()`                          | `nn.Module`: (outputs, targets) → mean over the batch, a scalar |
| optimizer  | `optimizer(named_parameters)`     | `torch.optim.Optimizer`                                         |
| scheduler  | `scheduler(optimizer, horizon)`   | `Schedule`                                                      |
| average    | `average(horizon)`                | `Average`, or `None`                                            |
| precision  | `precision(device)`               | `Precision`, in dlexp/machine/precision.py                      |
| probe      | `probe(model, dataset)`           | `Probe`                                                         |

Shapes: N examples of a split, B of a batch; C channels, H height, W width; T steps, F features; K classes or predicted numbers.

Targets of a classification are labels, int64 [B], or, where an augmentation mixes examples, soft targets: the probability of
each class, float32 [B, K]. Losses and scores accept both. Targets of a regression are float32 [B, K].

`named_parameters` are the pairs (name, tensor) of `model.named_parameters()`, which the optimizers of torch accept.

[1] Other keys: `_traits_` and `_ranges_` describe the option (dlexp/config/options.py); a dataset has `per_class`, `scale` and
`scale_on` (dlexp/data/prepare.py); an optimizer may have `decay_norm_and_bias`, whether weight decay acts on these; a probe has
`every`, the number of epochs between two measurements, and may have `mode`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from dlexp.errors import ConfigError as ConfigError  # re-exported, so that a part imports from this module alone
from dlexp.errors import DatasetError as DatasetError
from dlexp.errors import UnsupportedError as UnsupportedError

Task = Literal["classification", "regression"]
Inputs = Float[Tensor, " batch *shape"]
Images = Shaped[Tensor, "batch channels height width"]
Targets = Int[Tensor, " batch"] | Float[Tensor, "batch _"]

Examples = Callable[[int], Tensor]
"""Takes a number n; returns n training inputs, or all where there are fewer, at equal distances in the order of the data.

They are scaled, not augmented: float32 [n, *input_shape] on the CPU.
"""


class Split(NamedTuple):
    """Examples in memory.

    Shape:
        inputs uint8 [N, C, H, W] (images, raw pixels), float32 [N, F] (features) or float32 [N, T, F] (series).
        targets int64 [N] (labels, from 0) or float32 [N, 1] (regression).
    """

    inputs: Tensor
    targets: Tensor


class Column(NamedTuple):
    """A column of a table: its name, and its categories as text in their order, or None if it holds numbers."""

    name: str
    categories: tuple[str, ...] | None


class Table(NamedTuple):
    """How the rows of a table became examples: `encode` in dlexp/data/table.py does it again with new rows.

    Args:
        columns: The columns that became inputs, in the order of the inputs.
        one_hot: Whether a category became one input for each category of its column (1 for its own, else 0), or the number of
            the category in its column, from 0.
        label: The column with the target.
        image_shape: (C, H, W) if each row holds the pixels of an image, else None.
    """

    columns: tuple[Column, ...]
    one_hot: bool
    label: str
    image_shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Source:
    """A whole data set, as its reader returns it: before subset, validation split and scaling.

    Args:
        train: Examples to train on. The validation split is taken from these if `val` is None.
        test: Examples for the evaluation at the end.
        classes: Name of each class, in the order of the labels; empty for a regression.
        table: How the rows of a table became examples; None if they came from elsewhere.
        impute: The statistic of each feature, over the training examples of the run, that replaces NaN. None: NaN is refused.
        val: The validation split that the data set itself has, or None.
        groups: Number of the group of each training example, int64 [N]: the validation split has whole groups. None: no groups.
    """

    train: Split
    test: Split
    classes: tuple[str, ...]
    table: Table | None = None
    impute: Literal["mean", "median", "most_frequent"] | None = None
    val: Split | None = None
    groups: Tensor | None = None


@dataclass(frozen=True)
class Dataset:
    """The data of one run. The model's input is `(inputs - shift) * factor`, as float32.

    Args:
        train, test: As in `Source`, after the balanced subset and the validation split.
        val, has_own_val: The validation split, or None if there is none; whether it is that of the data set itself.
        classes, table: As in `Source`.
        shift, factor: Float32 tensors that broadcast against one example, from `train` alone unless `dataset.scale_on=all`.
        fill: The value that took the place of NaN in each feature, float32 [F]; None if there was none to replace.
    """

    train: Split
    val: Split | None
    test: Split
    classes: tuple[str, ...]
    shift: Tensor
    factor: Tensor
    table: Table | None = None
    fill: Tensor | None = None
    has_own_val: bool = False

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
        """Test accuracy of a model that always predicts the most frequent class of the test split; None for a regression."""
        return float(self.test.targets.bincount().max()) / len(self.test.targets) if self.classes else None

    @property
    def num_outputs(self) -> int:
        """Number of classes, or of numbers to predict: K."""
        return len(self.classes) or self.train.targets.shape[1]


class Horizon(NamedTuple):
    """The planned length of a run. `num_epochs` counts an incomplete last epoch as one."""

    num_epochs: int
    num_steps: int


class Schedule(NamedTuple):
    """A learning-rate schedule, and when its `step` is called.

    Args:
        scheduler: A scheduler of torch, bound to the optimizer.
        every: `step`: after each optimizer step; `epoch`: after each epoch; `metric`: after each epoch, with the monitored
            value (a loss or an error rate: lower is better).
    """

    scheduler: torch.optim.lr_scheduler.LRScheduler
    every: Literal["step", "epoch", "metric"]


class Average(NamedTuple):
    """A mean of the weights of several steps or epochs, which is validated, tested and saved in place of the last weights.

    Args:
        update: Takes the mean, the present weights, and how many weights the mean is of; changes the mean in place. The first
            mean is a copy of the weights. One of `torch.optim.swa_utils`, such as `get_ema_multi_avg_fn(0.99)`.
        every: Whether the weights after each `step` or after each `epoch` enter it.
        first: Number of the first step or epoch that does, from 1.
    """

    update: Callable[[Any, Any, Any], None]
    every: Literal["step", "epoch"]
    first: int


@runtime_checkable
class Augment(Protocol):
    """A random change of training batches.

    The random numbers are drawn ahead for a whole epoch, on the CPU. The change is a pure function of them, on any device.
    """

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Tensor:
        """Draw one row of random numbers for each example of the epoch: [num_examples, P] on the CPU; P may be 0.

        A pure function of seed and epoch (from 1): it uses the stream `augmentation` of dlexp/data/random_streams.py.
        """
        ...

    def __call__(self, inputs: Images, targets: Targets, parameters: Shaped[Tensor, "batch numbers"]) -> tuple[Images, Targets]:
        """Return the changed inputs and targets of a batch, on the device of its tensors.

        Args:
            inputs: Raw pixels, before scaling. The result has the same shape and dtype.
            targets: [B] or [B, K]. If the result is soft targets, it must be so for every batch. An option that lists
                `soft targets` under `_traits_: gives` gets them in place of labels.
            parameters: The rows of these examples, [B, P].
        """
        ...


class ProbeResult(NamedTuple):
    """What a probe measured at one moment.

    Args:
        scalars: Triples (layer, name, value). The layer is the path of a module or a parameter, such as `blocks.0.act`.
        arrays: Name → array.
    """

    scalars: list[tuple[str, str, float]]
    arrays: dict[str, np.ndarray]


@runtime_checkable
class Probe(Protocol):
    """A measurement of one model on one batch. It must not change the model, gradients included. See dlexp/training/probing.py.

    The factory raises `ConfigError` if this model or dataset has nothing to measure. It may get a model on the meta device.
    """

    def __call__(self, inputs: Inputs, targets: Targets, loss: nn.Module) -> ProbeResult:
        """Measure, in float32; where the statistics of the batch count (mode `train`), on the whole batch at once.

        Args:
            inputs: Scaled examples, [B, *input_shape].
            targets: Their targets.
            loss: The loss of the run.
        """
        ...
