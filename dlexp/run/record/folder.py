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
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from dlexp.errors import HeldError
from dlexp.machine.files import is_alive, replacing, write_whole

PACKAGE = Path(__file__).parents[2]

# Vary without meaning: "identical" is said of two records without these.
VOLATILE = {
    "seconds",
    "examples_per_s",
    "memory",
    "started",
    "ended",
    "host",
    "device",
    "versions",
    "git_commit",
    "restarts",
    "bit_exact",
    "differs",
}

NO_PART_OF_A_RUN = {"analysis", "benchmark", "doctor"}  # packages that no run imports

HOLDER_SECONDS = 2.0  # that the holder of a run may take to say who it is
METRICS, PROBES = "metrics.csv", "probes.csv"
FINISHED = {"done", "early_stopped", "diverged"}
BROKEN = {"failed", "oom"}


def find(shelf: Path, identity: str) -> Path | None:
    """The folder of a run, by its id and never by its slug; None where it was never started."""
    return next((folder for folder in sorted(shelf.glob(f"*-{identity}")) if folder.is_dir()), None)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a finished or failed run, or None where it was cut off before it wrote one, or where that is damaged."""
    try:
        summary = json.loads((folder / "summary.json").read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return summary if isinstance(summary, dict) and "status" in summary else None


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
        holder = _holder(owner)
        pid, host, since = (holder.get(key, "?") for key in ("pid", "host", "since"))
        raise HeldError(f"Run {identity} is held by process {pid} on {host} since {since}.") from None
    try:
        # Written in place: who reads half of it looks again, and a kill leaves nothing beside it.
        owner.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now()}))
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _holder(owner: Path) -> dict[str, Any]:
    """Who holds a run. Waits a moment for one that has not written it yet: what is there may be of one that died."""
    end = monotonic() + HOLDER_SECONDS
    while monotonic() < end:
        with suppress(OSError, ValueError):
            told = json.loads(owner.read_text())
            if told["host"] != platform.node() or is_alive(told["pid"]):
                return told
        sleep(0.01)
    return {}


class Record:
    """The folder of a run that is being written. `summary.json` comes last: a folder without one was cut off.

    Args:
        folder: Made anew, unless `lengths` is given; what an earlier start left there is removed.
        columns: Of metrics.csv.
        files: Name and text of what stands there from the start (config.yaml, .hydra/…).
        lengths: What `sync` returned when the state was saved from which an earlier start goes on: what was written after
            that is cut off.
    """

    def __init__(
        self, folder: Path, columns: Sequence[str], files: Mapping[str, str], lengths: Mapping[str, int] | None = None
    ) -> None:
        self.folder, self.started = folder, now()
        if lengths is None:
            self._make(files)
        else:
            self._cut(lengths)
        self._metrics = (folder / METRICS).open("a", newline="")
        self._rows = csv.DictWriter(self._metrics, columns, restval="")
        if lengths is None:
            self._rows.writeheader()
        self._log = (folder / "train.log").open("a")
        self._probes: IO[str] | None = (folder / PROBES).open("a", newline="") if (folder / PROBES).exists() else None

    def _make(self, files: Mapping[str, str]) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def _cut(self, lengths: Mapping[str, int]) -> None:
        for name in (METRICS, PROBES):
            if name in lengths:
                os.truncate(self.folder / name, lengths[name])
            else:
                (self.folder / name).unlink(missing_ok=True)
        for unfinished in self.folder.rglob(".*.tmp"):
            unfinished.unlink()

    def row(self, numbers: Mapping[str, float]) -> None:
        """Append one row to metrics.csv, floats to their last digit."""
        self._rows.writerow({name: repr(number) for name, number in numbers.items()})
        self._metrics.flush()

    def scalars(self, epoch: int, probe: str, rows: Sequence[tuple[str, str, float]]) -> None:
        """Append what a probe measured, rows of (layer, name, value), to probes.csv, which the first of them makes."""
        if rows and self._probes is None:
            self._probes = (self.folder / PROBES).open("w", newline="")
            csv.writer(self._probes).writerow(["epoch", "probe", "layer", "name", "value"])
        if self._probes:
            csv.writer(self._probes).writerows([epoch, probe, layer, name, repr(value)] for layer, name, value in rows)
            self._probes.flush()

    def arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/<name>.npz, compressed; nothing if there are none."""
        if arrays:
            path = self.folder / "arrays" / f"{name}.npz"
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def sync(self) -> dict[str, int]:
        """Bring metrics.csv and probes.csv to the disk itself, and return how long they are, in bytes."""
        lengths = {}
        for name, file in ((METRICS, self._metrics), (PROBES, self._probes)):
            if file:
                file.flush()
                os.fsync(file.fileno())
                lengths[name] = os.fstat(file.fileno()).st_size
        return lengths

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
