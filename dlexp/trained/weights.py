"""Build the model of a finished run with its weights. The files may be of any origin: nothing in them is executed."""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from dlexp.config.plain_json import FormError
from dlexp.config.values import make_printable
from dlexp.errors import CheckpointError
from dlexp.machine.files import open_regular_file
from dlexp.run.record.checksums import check_file

MAX_LISTED = 5  # tensors that a message names


def build_model(make: Callable[[], nn.Module], path: Path) -> nn.Module:
    """Build a model on the CPU with the weights of a file, in eval mode. torch's random state is not changed.

    The model is built twice: first on the meta device, without memory, to compare the sizes that its config asks for with
    those in the file.

    Args:
        make: Builds the model with any weights.
        path: A state dict that `torch.save` wrote.

    Raises:
        CheckpointError: If the file cannot be read, or if it holds other weights than the model has.
    """
    place = f"{make_printable(path.parent.parent.name)}: {path.parent.name}/{path.name}"
    weights, size = read_weights(path, place)
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            planned = make()
    except (RuntimeError, TypeError, ArithmeticError) as error:  # such as a size beyond 64 bits
        raise CheckpointError(f"{place}: the model of the run cannot be built: {make_printable(str(error))}.") from error
    if problems := _compare(planned, weights, size):
        raise CheckpointError(*(f"{place}: {problem}" for problem in problems))
    with torch.random.fork_rng(devices=[]):
        model = make()
    model.load_state_dict(weights)
    return model.eval()


def read_weights(path: Path, place: str) -> tuple[Mapping[str, Tensor], int]:
    """Read a state dict, and the size of its file in bytes.

    Args:
        path: The file.
        place: Names it in a message.

    Raises:
        CheckpointError: If it is missing, or not a plain state dict as `torch.save` writes it.
    """
    try:
        check_file(path.parent.parent, f"{path.parent.name}/{path.name}")
        with open_regular_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if problem := _check_archive(file, size):
                raise ValueError(problem)
            file.seek(0)
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except FormError as error:
        raise CheckpointError(f"{make_printable(path.parent.parent.name)}: {error}; nothing in it was executed.") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{place} is missing: the run has no weights.") from error
    except Exception as error:  # torch and zipfile raise many types for damaged bytes
        reason = make_printable(" ".join(str(error).split()))
        raise CheckpointError(
            f"{place} is not a file of weights, or damaged, and nothing in it was executed: {reason}"
        ) from error
    if not isinstance(weights, Mapping) or not all(type(value) is Tensor for value in weights.values()):
        raise CheckpointError(f"{place} is not a file of weights: expected a map from names to tensors.")
    return weights, size


def _check_archive(file: object, size: int) -> str | None:
    """What distinguishes an archive from one of `torch.save`: those hold no more bytes than they are long."""
    with zipfile.ZipFile(file) as archive:  # type: ignore[call-overload]
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or sum(e.file_size for e in entries) > size:
            return "it holds compressed or overlapping entries, which torch.save does not write"
        if (damaged := archive.testzip()) is not None:
            return f"its part {damaged} is damaged"
    return None


def _compare(planned: nn.Module, weights: Mapping[str, Tensor], size: int) -> list[str]:
    """What is wrong with the weights of a file for a model on the meta device: missing, unknown, or of another shape."""
    expected = planned.state_dict(keep_vars=True)
    problems = [f"{name} is missing." for name in expected if name not in weights]
    problems += [f"{make_printable(str(name))} is not part of the model." for name in weights if name not in expected]
    for name, tensor in expected.items():
        found = weights.get(name)
        if found is not None and _describe(found) != _describe(tensor):
            problems.append(f"{name}: expected {_describe(tensor)}, got {_describe(found)}.")
    # A tensor with stride 0 is larger than its part of the file. Tensors with several names count once.
    needed = sum(tensor.nbytes for tensor in {id(tensor): tensor for tensor in expected.values()}.values())
    if not problems and (needed > size or any(found.is_meta for found in weights.values())):
        problems.append(f"the weights have {needed} bytes, and the file only {size}.")
    more = [f"and {len(problems) - MAX_LISTED} more."] if len(problems) > MAX_LISTED else []
    return problems[:MAX_LISTED] + more


def _describe(tensor: Tensor) -> str:
    layout = "" if tensor.layout == torch.strided else f" {tensor.layout}"
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}{layout}"
