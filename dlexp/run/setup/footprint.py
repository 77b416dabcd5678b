"""Estimate the memory that a run needs, without computing anything or allocating it."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from dlexp.contract import Dataset
from dlexp.data.batches import EVALUATION_BATCH
from dlexp.machine.precision import AUTOCAST
from dlexp.machine.private_torch import FakeTensorMode
from dlexp.run.setup.factories import averages_weights, make_factory, make_loss
from dlexp.training.compile import find_blocks
from dlexp.training.microbatch import has_batch_norm

MAX_MEMORY_SHARE = 0.8  # of the free memory; the rest is for workspaces and fragmentation
FEW, MORE = 4, 8  # sizes of the two batches whose difference gives the cost of an example; batch norm needs two


@dataclass(frozen=True)
class Footprint:
    """Memory of one run on its device, in bytes.

    Args:
        num_parameters: Trainable numbers in the model.
        weights: Parameters and buffers, twice where a mean of the weights is kept.
        gradients: Gradients of all trainable parameters.
        optimizer_state: The optimizer's state, such as moments.
        data: The data set, if it is on the device.
        saved: Tensors saved for the backward pass, for each example. With `hardware.recompute` the inputs of all blocks, what
            is between them, and what the largest block saves.
        passing: Tensors that exist only for a moment, for each example: the gradients on both sides of the largest layer.
        raw: One example as it comes from the data.
        constant: Tensors saved for the backward pass whatever the batch size, such as weights cast to bf16.
        evaluation: One batch of the evaluation.
        batch_norm: Whether a batch needs at least two examples.
    """

    num_parameters: int
    weights: int
    gradients: int
    optimizer_state: int
    data: int
    saved: int
    passing: int
    raw: int
    constant: int
    evaluation: int
    batch_norm: bool

    @property
    def standing(self) -> int:
        """Memory that does not depend on the batch."""
        return self.weights + self.gradients + self.optimizer_state + self.data + self.constant

    @property
    def example(self) -> int:
        """Memory that each example of a batch adds."""
        return self.saved + self.passing + self.raw

    @property
    def between(self) -> int:
        """Memory needed after the batch's tensors are freed: an evaluation, or a new tensor for each parameter."""
        return max(self.evaluation, self.gradients)

    def needed(self, batch_size: int) -> int:
        """Memory that a run with this batch size needs."""
        return self.standing + max(batch_size * self.example, self.between)

    def largest_batch(self, free: int) -> int:
        """The largest power of two that fits into `MAX_MEMORY_SHARE` of `free` bytes; 0: none."""
        room = int(MAX_MEMORY_SHARE * free) - self.standing
        if room < self.between:
            return 0
        count = room // max(1, self.example)
        largest = 1 << (count.bit_length() - 1) if count else 0
        return 0 if self.batch_norm and largest < 2 else largest


def estimate_footprint(config: Mapping[str, Any], dataset: Dataset, device: torch.device) -> Footprint:
    """Build the model from the config, and pass two small batches of fake tensors through it.

    Args:
        config: Resolved, `auto` included.
        dataset: Only its shapes and types are used.
        device: The device of the run.
    """
    # Where there is no GPU, FakeTensorMode pretends that there are eight, and autograd starts a thread for each at its first
    # backward pass, with address space of its own. After this one it starts none.
    torch.zeros(1, requires_grad=True).sum().backward()
    by_block = [_list_saved_bytes(config, dataset, size) for size in (FEW, MORE)]
    # Of the blocks that are computed again, one at a time has its tensors.
    largest_block = max(by_block[1].keys() - {None}, key=lambda block: sum(by_block[1][block]), default=None)
    few, more = ([size for block in dict.fromkeys((None, largest_block)) for size in saved[block]] for saved in by_block)
    growth = [(b - a) // (MORE - FEW) for a, b in zip(few, more, strict=True)]
    saved, largest = sum(growth), max(growth, default=0)
    with torch.device("meta"):
        model: nn.Module = make_factory(config, "model")(dataset.input_shape, dataset.num_outputs)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    count = sum(parameter.numel() for parameter in trained)
    splits = [split for split in (dataset.train, dataset.val, dataset.test) if split is not None]
    one = dataset.train
    raw = _bytes(one.inputs[:1]) + _bytes(one.targets[:1])
    resident = device.type == "cpu" or config["hardware"]["loader"] == "resident"
    examples = min(EVALUATION_BATCH[device.type], max(len(split.targets) for split in splits[1:]))
    return Footprint(
        num_parameters=count,
        weights=(1 + averages_weights(config)) * sum(_bytes(tensor) for tensor in (*model.parameters(), *model.buffers())),
        gradients=sum(_bytes(parameter) for parameter in trained),
        optimizer_state=_state_bytes(make_factory(config, "optimizer"), count),
        data=sum(_bytes(tensor) for split in splits for tensor in split) if resident else 0,
        saved=saved,
        passing=2 * largest,
        raw=raw,
        constant=sum(few) - FEW * saved,
        evaluation=examples * (raw + 4 * one.inputs[0].numel() + 2 * largest),
        batch_norm=has_batch_norm(model),
    )


def _list_saved_bytes(config: Mapping[str, Any], dataset: Dataset, batch_size: int) -> dict[int | None, list[int]]:
    """Bytes of each tensor that a batch saves for the backward pass, in their order, without the model's own tensors.

    Computed for the CPU, whatever the device: the saved tensors have the same size on a GPU.

    Returns:
        Number of a block that is computed again → what it then saves, without its inputs. None → all else.
    """
    dtype = AUTOCAST.get(config["precision"]["format"])
    with FakeTensorMode(allow_non_fake_inputs=True):  # a part may hold a constant tensor made earlier
        model = make_factory(config, "model")(dataset.input_shape, dataset.num_outputs)
        own = {_storage(tensor) for tensor in (*model.parameters(), *model.buffers())}
        # Storage → tensor and block. References, so that no address is used for a second tensor.
        saved: dict[StorageWeakRef, tuple[Tensor, int | None]] = {}
        at: int | None = None  # the block that is computed

        def save(tensor: Tensor) -> Tensor:
            key = _storage(tensor)
            if key in saved and at is None:  # a block's output, which is saved again outside of it
                saved[key] = (tensor, None)
            elif key not in own:
                saved.setdefault(key, (tensor, at))
            return tensor

        def enter(number: int, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            nonlocal at
            for tensor in inputs:
                save(tensor)
            at = number

        def leave(*_: object) -> None:
            nonlocal at
            at = None

        for i, block in enumerate(find_blocks(model) if config["hardware"]["recompute"] else ()):
            block.register_forward_pre_hook(partial(enter, i))
            block.register_forward_hook(leave)
        inputs = torch.zeros(batch_size, *dataset.input_shape)
        targets = torch.zeros(batch_size, *dataset.train.targets.shape[1:], dtype=dataset.train.targets.dtype)
        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            with torch.autocast("cpu", dtype) if dtype else nullcontext():
                outputs = model(inputs)
            loss = make_loss(config, dataset)(outputs.float(), targets)
        del loss
        found: dict[int | None, list[int]] = {None: []}
        for tensor, at in saved.values():
            found.setdefault(at, []).append(tensor.untyped_storage().nbytes())
        return found


def _state_bytes(make_optimizer: Callable[..., torch.optim.Optimizer], count: int) -> int:
    """Bytes of optimizer state for `count` parameters, in proportion to its state for two matrices after one step."""
    matrices = {name: nn.Parameter(torch.zeros(16, 16)) for name in ("hidden", "head")}  # Muon needs both
    for matrix in matrices.values():
        matrix.grad = torch.zeros_like(matrix)
    optimizer = make_optimizer(matrices.items())
    optimizer.step()
    tensors = (value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor))
    return sum(_bytes(tensor) for tensor in tensors if tensor.dim() > 0) * count // sum(map(torch.numel, matrices.values()))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _storage(tensor: Tensor) -> StorageWeakRef:
    """The key under which all views of the same memory are equal. A tensor without memory has no address to compare."""
    return StorageWeakRef(tensor.untyped_storage())
