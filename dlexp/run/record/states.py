"""Find the saved states of a run and check their bytes. checkpoint.py writes and loads them. Loads no torch."""

import hashlib
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from dlexp.config import plain_json
from dlexp.config.plain_json import SCHEMA
from dlexp.machine.files import read_regular_file
from dlexp.machine.memory import read_memory
from dlexp.run.record.forms import Sidecar
from dlexp.run.record.layout import METRICS
from dlexp.run.record.measurements import find_changed_since

FOLDER = "checkpoints"
READ_SCHEMAS = (1, SCHEMA)  # 1 had no sum of the sidecar itself, nor of the run's other files


def list_states(run_folder: Path) -> list[Path]:
    """The files of a run that are named like states, newest first.

    Raises:
        OSError: If the folder cannot be read. `Path.glob` would find nothing in it.
    """
    try:
        names = os.listdir(run_folder / FOLDER)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((run_folder / FOLDER / name for name in names if fnmatch(name, "step-*.pt")), reverse=True)


def read_state_bytes(path: Path, run_folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Read a state's bytes and its sidecar.

    Raises:
        ValueError: If the two do not belong together, or a file that probes wrote is not as it was.
    """
    sidecar = plain_json.read(path.with_suffix(".json"), Sidecar)
    if sidecar["schema"] not in READ_SCHEMAS:
        raise ValueError(f"has schema {sidecar['schema']}, and this version reads {' and '.join(map(str, READ_SCHEMAS))}")
    content = read_regular_file(path, read_memory().available)
    if hashlib.sha256(content).hexdigest() != sidecar["sha256"]:
        raise ValueError(f"damaged, its sha256 is not the one in {path.with_suffix('.json').name}")
    files = {name: entry for name, entry in sidecar["files"].items() if name != METRICS}  # the state holds its rows
    if problem := find_changed_since(run_folder, files):
        raise ValueError(problem)
    return content, sidecar | {"files": files}
