"""Several augmentations, applied in the order given."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from jaxtyping import UInt8
from torch import Tensor

from dlexp.contract import Augment, ConfigError, Images, Targets
from dlexp.data.random_streams import derive_seed


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Turn an error that names a key of an option alone, such as `augment.size`, into one of `augment.<name>.size`."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(*(re.sub(r"\baugment\.", f"augment.{name}.", problem) for problem in error.problems)) from error


class InTurn:
    """Apply augmentations one after the other; each has random numbers of its own.

    What is drawn for one depends on its name, and not on the others: an example is flipped alike with and without a crop.

    Args:
        factories: Name → factory, in the order of application.

    Shape:
        parameters uint8 [N, bytes]: the bytes of the rows of each, side by side.
    """

    def __init__(self, factories: Mapping[str, Callable[[], Augment]]) -> None:
        self.parts: dict[str, Augment] = {}
        for name, make in factories.items():
            with naming(name):
                self.parts[name] = make()
        # What a row of each consists of, from one row: the type, and the number of bytes.
        rows = [part.parameters(1, 0, 1) for part in self.parts.values()]
        self.rows = [(row.dtype, row.element_size() * row.shape[1]) for row in rows]

    def parameters(self, num_examples: int, seed: int, epoch: int) -> UInt8[Tensor, "num_examples bytes"]:
        """Draw the rows of each, from a seed of its own."""
        drawn = (part.parameters(num_examples, derive_seed(seed, name), epoch) for name, part in self.parts.items())
        columns = [rows.contiguous().view(torch.uint8) for rows in drawn if rows.shape[1]]
        return torch.cat([torch.empty(num_examples, 0, dtype=torch.uint8), *columns], dim=1)

    def __call__(self, inputs: Images, targets: Targets, parameters: UInt8[Tensor, "batch bytes"]) -> tuple[Images, Targets]:
        """Apply each to the result of the one before."""
        columns = parameters.split([size for _, size in self.rows], dim=1)
        for (name, part), (dtype, size), own in zip(self.parts.items(), self.rows, columns, strict=True):
            rows = own.clone(memory_format=torch.contiguous_format)
            rows = rows.view(dtype) if size else rows.to(dtype)
            with naming(name):
                inputs, targets = part(inputs, targets, rows)
        return inputs, targets
