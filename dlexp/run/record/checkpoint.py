"""Saved states of a run: written whole, checked before they are read, found by looking."""

import hashlib
import io
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch

from dlexp.errors import CheckpointError
from dlexp.machine.files import replacing, write_whole
from dlexp.run.record import folder as record

SCHEMA = 1  # of the state; another number is another layout
KEEP = 2  # newest states that stay on disk
SHARE_OF_TIME = 0.02  # that saving may take
FOLDER = "checkpoints"


class Found(NamedTuple):
    """The newest state that is whole.

    Args:
        state: As it was saved.
        name: Of its file.
        lengths: File of the run folder → bytes that belong to it.
        refused: Newer ones that were not, a sentence each.
        differs: In what the process that saved it was another than this one: a sentence; empty where the results are
            the same to the last bit.
    """

    state: dict[str, Any]
    name: str
    lengths: dict[str, int]
    refused: list[str]
    differs: str


class Cadence:
    """When to save: often enough that a kill costs little, rarely enough that saving does.

    Args:
        every: Seconds between two states, 0: at every chance.
    """

    def __init__(self, every: float) -> None:
        self.every, self.times = every, 0
        self._next = perf_counter() + every

    def due(self) -> bool:
        """Whether it is time; cheap."""
        return perf_counter() >= self._next

    def saved(self, seconds: float) -> None:
        """A state was saved, which took so long."""
        self.times += 1
        self._next = perf_counter() + (max(self.every, seconds / SHARE_OF_TIME) if self.every else 0.0)

    def put_off(self) -> None:
        """The state of now was not to be saved: ask again after the same time."""
        self._next = perf_counter() + self.every


def save(run_folder: Path, state: Mapping[str, Any], step: int, lengths: Mapping[str, int]) -> None:
    """Write a state beside the ones before it, and then remove the oldest, and those of later steps.

    A run only has states of later steps if they were damaged and it went on from an earlier one.

    Args:
        run_folder: Of the run.
        state: Tensors, numbers, text, lists and dicts: what `torch.load(weights_only=True)` reads.
        step: Training steps done.
        lengths: File of the run folder → bytes that belong to this state.
    """
    folder = run_folder / FOLDER
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getbuffer()
    facts = {"schema": SCHEMA, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "step": step}
    facts |= {"files": dict(lengths), "environment": environment(torch.get_num_threads())}
    path = folder / f"step-{step:09}.pt"
    # The sidecar first: a state without one is not looked at, and one that describes another state is found out.
    write_whole(path.with_suffix(".json"), json.dumps(facts, indent=1), durable=True)
    write_whole(path, content, durable=True)
    states = _states(folder)
    place = states.index(path)
    for old in states[:place] + states[place + KEEP :]:
        old.unlink()
        old.with_suffix(".json").unlink(missing_ok=True)


def expected_bytes(num_parameters: int, *, rollback: bool) -> int:
    """About what a state takes: weights, best weights, and two moments of the optimizer, in float32.

    Args:
        num_parameters: Of the model.
        rollback: Whether it holds weights and moments a second time: those to go back to.
    """
    return 4 * (7 if rollback else 4) * num_parameters + 2**16


def save_weights(run_folder: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Write the weights that were tested to checkpoints/best.pt, a plain state dict."""
    path = run_folder / FOLDER / "best.pt"
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary:
        torch.save(dict(weights), temporary)


def newest(run_folder: Path, device: torch.device, num_threads: int) -> Found | None:
    """The newest state that is whole; None where nothing was ever saved.

    Args:
        run_folder: Of the run.
        device: Where the state's tensors are brought.
        num_threads: Of the run that goes on.

    Raises:
        CheckpointError: If there are states and every one of them is damaged, with what is wrong with each.
    """
    refused: list[str] = []
    for path in _states(run_folder / FOLDER):
        try:
            content, facts = _checked(path, run_folder)
            state = torch.load(io.BytesIO(content), weights_only=True, map_location=device)
        except Exception as error:  # torch.load raises half a dozen kinds, and none of them may end the search
            refused.append(f"{path.name}: {error}")
        else:
            return Found(state, path.name, facts["files"], refused, _difference(facts["environment"], environment(num_threads)))
    if refused:
        raise CheckpointError(
            f"{run_folder}: no usable checkpoint, and a run never starts over by itself. force=true does.", *refused
        )
    return None


def environment(num_threads: int) -> dict[str, Any]:
    """What the last bits of a result hang on beside the config."""
    return {
        "torch": torch.__version__,
        "threads": num_threads,
        "processor": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine(),
        "code": record.code(),
    }


def _states(folder: Path) -> list[Path]:
    """Files that claim to be states, newest first."""
    return sorted(folder.glob("step-*.pt"), reverse=True)


def _checked(path: Path, run_folder: Path) -> tuple[bytes, dict[str, Any]]:
    """A file's content and what its sidecar says of it.

    Raises:
        ValueError: If they do not belong together, or the run folder's other files are shorter than they were.
    """
    facts = json.loads(path.with_suffix(".json").read_text())
    if facts["schema"] != SCHEMA:
        raise ValueError(f"has schema {facts['schema']}, and this version reads schema {SCHEMA}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise ValueError(f"damaged, its sha256 is not the one in {path.with_suffix('.json').name}")
    for name, length in facts["files"].items():
        if (run_folder / name).stat().st_size < length:
            raise ValueError(f"needs {length} bytes of {name}, which is shorter")
    return content, facts


def _difference(saved: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    changed = [name for name, value in here.items() if saved.get(name) != value]
    return ", ".join("other code" if name == "code" else f"{name} {saved.get(name)} then, {here[name]} now" for name in changed)
