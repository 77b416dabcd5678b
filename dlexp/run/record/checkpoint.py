"""Save the state of a run, and find and check the newest saved state."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch

from dlexp.config.plain_json import seal
from dlexp.errors import CheckpointError
from dlexp.machine.files import write_whole
from dlexp.run.record.clear import remove
from dlexp.run.record.environment import describe_difference, describe_environment
from dlexp.run.record.measurements import Sums
from dlexp.run.record.states import FOLDER, list_states, read_state_bytes

NUM_STATES = 2  # newest states that stay on disk
MAX_TIME_SHARE = 0.02  # largest share of the time that saving may take
WEIGHTS = "best.pt"


class SavedState(NamedTuple):
    """The newest undamaged state.

    Args:
        state: The state as it was saved.
        name: Name of its file.
        files: What probes had measured when it was saved, as `Record.sync` returned it.
        refused: The problem of each newer state that is damaged, a sentence each.
        differs: How this process differs from the one that saved the state; empty if results are the same to the last bit.
        same_code: Whether the state was saved by the code that reads it.
    """

    state: dict[str, Any]
    name: str
    files: Sums
    refused: list[str]
    differs: str
    same_code: bool = True


class Cadence:
    """Decides when to save: often enough that a kill loses little time, rarely enough that saving costs little.

    Args:
        every: Seconds between two states; 0: at every step.
    """

    def __init__(self, every: float) -> None:
        self.every, self.times = every, 0
        self._next = perf_counter() + every

    def due(self) -> bool:
        """Whether it is time to save; cheap."""
        return perf_counter() >= self._next

    def count_save(self, seconds: float) -> None:
        """Count a save, which took `seconds`, and schedule the next one."""
        self.times += 1
        self._next = perf_counter() + (max(self.every, seconds / MAX_TIME_SHARE) if self.every else 0.0)

    def postpone(self) -> None:
        """Skip this save and try again after another interval."""
        self._next = perf_counter() + self.every


def save(run_folder: Path, state: Mapping[str, Any], step: int, files: Sums, device: torch.device, code: str) -> None:
    """Write a state, then remove the oldest states and those of later steps.

    There are states of later steps only if they were damaged and the run continued from an earlier one.

    Args:
        run_folder: Folder of the run.
        state: Tensors, numbers, text, lists and dicts, which `torch.load(weights_only=True)` can read.
        step: Training steps done.
        files: What probes have measured, from `Record.sync`.
        device: Of the run.
        code: Hash over the modules of the run.
    """
    folder = run_folder / FOLDER
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getbuffer()
    sidecar = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "step": step}
    sidecar |= {"files": dict(files), "environment": describe_environment(device, torch.get_num_threads(), code)}
    path = folder / f"step-{step:09}.pt"
    for place in (path, path.with_suffix(".json")):
        if place.is_dir():  # a file cannot replace it
            remove(place)
    # The sidecar comes first: a state without one is ignored, and one with the sidecar of another state is detected.
    write_whole(path.with_suffix(".json"), json.dumps(seal(sidecar), indent=1), durable=True)
    write_whole(path, content, durable=True)
    states = list_states(run_folder)
    position = states.index(path)
    for old in states[:position] + states[position + NUM_STATES :]:
        remove(old)
        remove(old.with_suffix(".json"))


def expected_bytes(num_parameters: int, *, rollback: bool) -> int:
    """Estimate the size of a state: weights, best weights and two moments of the optimizer, in float32.

    Args:
        num_parameters: Number of the model's parameters.
        rollback: Whether the state holds weights and moments a second time, for `on_divergence=rollback`.
    """
    return 4 * (7 if rollback else 4) * num_parameters + 2**16


def save_weights(run_folder: Path, weights: Mapping[str, torch.Tensor]) -> str:
    """Write the tested weights to checkpoints/best.pt, a plain state dict; returns the path below the run folder."""
    path = run_folder / FOLDER / WEIGHTS
    path.parent.mkdir(exist_ok=True)
    buffer = io.BytesIO()  # into a file, torch would write the name of that file, which holds the number of this process
    torch.save(dict(weights), buffer)
    write_whole(path, buffer.getbuffer())
    return f"{FOLDER}/{WEIGHTS}"


def newest(run_folder: Path, device: torch.device, num_threads: int, code: str) -> SavedState | None:
    """Read the newest undamaged state; None if nothing was ever saved.

    Args:
        run_folder: Folder of the run.
        device: The state's tensors are moved there.
        num_threads: CPU threads of the run that continues.
        code: Hash over its modules.

    Raises:
        CheckpointError: If there are states and all of them are damaged, with the problem of each.
    """
    refused: list[str] = []
    for path in list_states(run_folder):
        try:
            content, sidecar = read_state_bytes(path, run_folder)
            state = torch.load(io.BytesIO(content), weights_only=True, map_location=device)
        except Exception as error:  # torch.load raises half a dozen kinds of error, and none may end the search
            refused.append(f"{path.name}: {error}")
        else:
            differs = describe_difference(sidecar["environment"], describe_environment(device, num_threads, code))
            return SavedState(state, path.name, sidecar["files"], refused, differs, sidecar["environment"].get("code") == code)
    if refused:
        raise CheckpointError(
            f"{run_folder}: no usable checkpoint, and a run never starts over by itself. force=true does.", *refused
        )
    return None
