"""What a run leaves on disk: its id, its folder, who holds it, its rows and its summary."""

import csv
import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from dlexp.errors import HeldError

PACKAGE = Path(__file__).parent

# Cannot change what a run computes, nor how long that takes: a time is a result too, so the number of workers counts.
# Depth, width and dropout count where a part refers to them, as `model.depth` and so on.
NOT_IN_ID = {
    ("depth",),
    ("width",),
    ("dropout",),
    ("force",),
    ("retry",),
    ("profile",),
    ("data_dir",),
    ("output_dir",),
    ("dataset", "root"),  # for data that a user supplies, a fingerprint of the files takes its place
    ("dataset", "cache_dir"),
}
# Vary without meaning: "identical" is said of two records without these.
VOLATILE = {"seconds", "examples_per_s", "memory", "started", "ended", "host", "device", "versions", "git_commit"}

NO_PART_OF_A_RUN = {"analysis", "benchmark", "doctor"}  # packages that no run imports

FINISHED = {"done", "early_stopped", "diverged"}
BROKEN = {"failed", "oom"}


def run_id(config: Mapping[str, Any], fingerprint: str | None = None) -> str:
    """The name of a result: 12 hex digits of the sha256 of what can change it.

    Args:
        config: Resolved, `auto` included.
        fingerprint: Of the files of a data set that the user supplies.
    """
    identity = _identity(config, ())
    if not identity.get("probe"):
        identity.pop("probe", None)
    if identity.get("max_steps") is not None:
        identity.pop("epochs")
    if identity.get("early_stopping", {}).get("patience", 0) is None:
        identity.pop("early_stopping")
    if identity.get("model", {}).get("widths") is not None:
        identity["model"].pop("depth", None)
        identity["model"].pop("width", None)
    if identity.get("hardware", {}).get("loader") == "resident":
        for key in ("num_workers", "persistent_workers", "pin_memory", "non_blocking"):
            identity["hardware"].pop(key)
    if not identity.get("hardware", {}).get("empty_cache_every", 1):
        identity["hardware"].pop("empty_cache_every")
    text = json.dumps([identity, fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _identity(value: Any, path: tuple[str, ...]) -> Any:
    """A copy without what is not in the id, in which equal numbers are equal text (1 and 1.0)."""
    if isinstance(value, Mapping):
        kept = {str(key): item for key, item in value.items() if (*path, str(key)) not in NOT_IN_ID}
        return {key: _identity(item, (*path, key)) for key, item in kept.items()}
    if isinstance(value, list | tuple):
        return [_identity(item, path) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def slug(differences: Sequence[str]) -> str:
    """A readable name from `key=value` strings: sorted, letters, digits and `.=_-` only, at most 80 characters."""
    text = "-".join(sorted(differences)) or "default"
    safe = "".join(letter if letter.isalnum() or letter in ".=_-" else "-" for letter in text)
    while "--" in safe:
        safe = safe.replace("--", "-")
    return safe[:80].strip("-.")


def find(shelf: Path, identity: str) -> Path | None:
    """The folder of a run, by its id and never by its slug; None where it was never started."""
    return next((folder for folder in sorted(shelf.glob(f"*-{identity}")) if folder.is_dir()), None)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a finished or failed run, or None where it was cut off before it wrote one."""
    try:
        return json.loads((folder / "summary.json").read_text())
    except FileNotFoundError:
        return None


@contextmanager
def hold(shelf: Path, identity: str) -> Iterator[None]:
    """Keep every other process out of one run. The operating system lets go when this process ends, however it ends.

    Raises:
        HeldError: If another process has it, naming that process.
    """
    locks = shelf / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(locks / f"{identity}.lock"), locks / f"{identity}.json"
    try:
        lock.acquire(blocking=False)
    except Timeout:
        holder = json.loads(owner.read_text()) if owner.exists() else {}
        pid, host, since = (holder.get(key, "?") for key in ("pid", "host", "since"))
        raise HeldError(f"Run {identity} is held by process {pid} on {host} since {since}.") from None
    try:
        write_whole(owner, json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now()}))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


class Record:
    """The folder of a run that is being written. `summary.json` comes last: a folder without one was cut off.

    Args:
        folder: Made anew; what an earlier start left there is removed.
        columns: Of metrics.csv.
        files: Name and text of what stands there from the start (config.yaml, .hydra/…).
    """

    def __init__(self, folder: Path, columns: Sequence[str], files: Mapping[str, str]) -> None:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        self.folder = folder
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.started = now()
        self._metrics = (folder / "metrics.csv").open("w", newline="")
        self._rows = csv.DictWriter(self._metrics, columns, restval="")
        self._rows.writeheader()
        self._log = (folder / "train.log").open("w")
        self._probes: IO[str] | None = None

    def row(self, numbers: Mapping[str, float]) -> None:
        """Append one row to metrics.csv, floats to their last digit."""
        self._rows.writerow({name: repr(number) for name, number in numbers.items()})
        self._metrics.flush()

    def scalars(self, epoch: int, probe: str, rows: Sequence[tuple[str, str, float]]) -> None:
        """Append what a probe measured, rows of (layer, name, value), to probes.csv, which the first of them makes."""
        if rows and self._probes is None:
            self._probes = (self.folder / "probes.csv").open("w", newline="")
            csv.writer(self._probes).writerow(["epoch", "probe", "layer", "name", "value"])
        if self._probes:
            csv.writer(self._probes).writerows([epoch, probe, layer, name, repr(value)] for layer, name, value in rows)
            self._probes.flush()

    def arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/<name>.npz, compressed; nothing if there are none."""
        if arrays:
            (self.folder / "arrays").mkdir(exist_ok=True)
            np.savez_compressed(self.folder / "arrays" / f"{name}.npz", **arrays)  # type: ignore[arg-type]

    def log(self, text: str) -> None:
        """Append a line, or a traceback, to train.log."""
        self._log.write(f"{now()}  {text}\n")
        self._log.flush()

    def finish(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Write the summary whole, and close. Returns it as written: numbers that are not finite are null."""
        for file in (self._metrics, self._log, self._probes):
            if file:
                file.close()
        written = _finite({**summary, "started": self.started, "ended": now(), "git_commit": git_commit(), "code": code()})
        write_whole(self.folder / "summary.json", json.dumps(written, indent=1, allow_nan=False) + "\n")
        return written


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or the one before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def code() -> str:
    """The sha256 of the code that makes a run: runs of different code are told apart. What only looks at runs is left out."""
    digest = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*.py") if not NO_PART_OF_A_RUN & set(path.parts)):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def git_commit() -> str | None:
    """The commit that is checked out, or None outside a checkout."""
    try:
        command = ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
