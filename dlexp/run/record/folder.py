"""The folder of a run: its rows, arrays, log and summary."""

import csv
import json
import math
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from dlexp.machine.files import open_to_append, replacing, write_whole
from dlexp.run.record.layout import CONFIG, LOG, METRICS, SUMMARY, list_missing
from dlexp.run.record.modules import PACKAGE, combine

if TYPE_CHECKING:  # it loads torch, which whoever reads a record does not need
    from dlexp.training.probing import Measurement

# Fields that vary between identical runs. Two records are called identical if they are equal without these.
VOLATILE = {
    "seconds",
    "examples_per_s",
    "memory",
    "started",
    "ended",
    "host",
    "device",
    "processor",
    "instructions",
    "libraries",
    "variables",
    "versions",
    "git_commit",
    "restarts",
    "bit_exact",
    "differs",
}

PROBES, PREPROCESSING = "probes.csv", "preprocessing.json"
PROBE_COLUMNS = ("epoch", "probe", "mode", "layer", "name", "value")
FORCED = ".forced"  # in the folder of a run that was started with force=true and has not ended
PAGE = "report.html"  # which `dlexp report` writes
FINISHED = {"done", "early_stopped", "diverged"}
BROKEN = {"failed", "oom"}


def without_volatile(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a summary, or of a row of metrics.csv, that are equal in identical runs."""
    steady = {name: value for name, value in fields.items() if name.rpartition("/")[2] not in VOLATILE}
    return steady | ({"metrics": without_volatile(steady["metrics"])} if "metrics" in steady else {})


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a run that has ended; None if there is none, if it is damaged, or if a file beside it is missing."""
    try:
        summary = json.loads((folder / SUMMARY).read_text())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return summary if is_whole(summary) and not list_missing(folder) else None


def is_whole(summary: Any) -> bool:
    """Whether the content of a summary.json is what a run writes, as far as others read it."""
    if not isinstance(summary, dict) or not isinstance(summary.get("status"), str):
        return False
    if summary["status"] in BROKEN:
        return isinstance(summary.get("reason"), str)
    seconds, metrics = summary.get("seconds"), summary.get("metrics")
    return isinstance(metrics, dict) and isinstance(seconds, dict) and all(isinstance(n, int | float) for n in seconds.values())


class Record:
    """Writes the folder of a run. `summary.json` comes last: the run of a folder without one was interrupted.

    Args:
        folder: Created, or emptied, unless `lengths` is given.
        columns: Columns of metrics.csv.
        files: Name and text of the files that the folder has from the start (config.yaml, .hydra/…).
        modules: The code that runs: path of a module → hash of its source.
        lengths: For a run that continues from a saved state: the lengths of the files that `sync` returned for that state.
            What was written later is cut off.
    """

    def __init__(
        self,
        folder: Path,
        columns: Sequence[str],
        files: Mapping[str, str],
        modules: Mapping[str, str],
        lengths: Mapping[str, int] | None = None,
    ) -> None:
        self.folder, self.started = folder, now()
        self.modules, self.code = dict(modules), combine(modules)
        if lengths is None:
            self._create(files)
        else:
            self._truncate(lengths)
        self._metrics = open_to_append(folder / METRICS)
        self._rows = csv.DictWriter(self._metrics, columns, restval="")
        if lengths is None:
            self._rows.writeheader()
        self._log = open_to_append(folder / LOG)
        self._probes: IO[str] | None = None
        self._probe_columns: Sequence[str] = PROBE_COLUMNS
        if (folder / PROBES).exists():
            with (folder / PROBES).open(newline="") as file:
                self._probe_columns = next(csv.reader(file), PROBE_COLUMNS)  # without `mode` if an older version began it
            self._probes = open_to_append(folder / PROBES)

    def _create(self, files: Mapping[str, str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        _clear(self.folder)
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)

    def _truncate(self, lengths: Mapping[str, int]) -> None:
        for name in (METRICS, PROBES, LOG):  # a copy made with hard links keeps its content
            path = self.folder / name
            if path.exists() and path.stat().st_nlink > 1:
                write_whole(path, path.read_bytes())
        for name in (METRICS, PROBES):
            if name in lengths:
                with open_to_append(self.folder / name) as file:
                    file.truncate(lengths[name])
            else:
                (self.folder / name).unlink(missing_ok=True)
        (self.folder / PAGE).unlink(missing_ok=True)  # it shows the run as it was when it was interrupted
        for temporary in self.folder.rglob(".*.tmp"):
            temporary.unlink()

    def row(self, numbers: Mapping[str, float]) -> None:
        """Append a row to metrics.csv, with all digits of each float."""
        self._rows.writerow({name: repr(number) for name, number in numbers.items()})
        self._metrics.flush()

    def measurement(self, epoch: int, measured: "Measurement") -> None:
        """Append a probe's scalars to probes.csv, which the first call creates, and write its arrays."""
        if measured.result.scalars:
            if self._probes is None:
                self._probes = open_to_append(self.folder / PROBES)
                csv.writer(self._probes).writerow(self._probe_columns)
            fixed = {"epoch": epoch, "probe": measured.probe, "mode": measured.mode}
            csv.DictWriter(self._probes, self._probe_columns, extrasaction="ignore").writerows(
                fixed | {"layer": layer, "name": name, "value": repr(value)} for layer, name, value in measured.result.scalars
            )
            self._probes.flush()
        self.arrays(f"{measured.probe}-{epoch}", measured.result.arrays)

    def arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/<name>.npz, compressed; no file if there are no arrays."""
        if arrays:
            path = self.folder / "arrays" / f"{name}.npz"
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    def preprocessing(self, text: str) -> None:
        """Write how inputs were preprocessed, as dlexp/data/preprocessing.py words it."""
        write_whole(self.folder / PREPROCESSING, text)

    def sync(self) -> dict[str, int]:
        """Flush metrics.csv and probes.csv to the disk itself, and return their lengths in bytes."""
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

    def close(self) -> None:
        """Close all files. Nothing can be recorded afterwards but the summary."""
        for file in (self._metrics, self._log, self._probes):
            if file:
                file.close()

    def finish(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Write the summary and close all files. Returns the summary as written: numbers that are not finite are null."""
        self.close()
        made = {"started": self.started, "ended": now(), "git_commit": git_commit(), "code": self.code, "modules": self.modules}
        written = _replace_nonfinite({**summary, **made})
        write_whole(self.folder / SUMMARY, json.dumps(written, indent=1, allow_nan=False) + "\n")
        (self.folder / FORCED).unlink(missing_ok=True)
        return written


def _clear(folder: Path) -> None:
    """Empty a run folder. Wherever this is interrupted, what is left is an interrupted run, which goes on or starts over.

    First goes what says that the run is done, and next its states, each before its sidecar, so that none is left that refers to
    a file which is gone. The config is last: a folder without any of a run's files is not found again.
    """
    for name in (FORCED, SUMMARY):
        (folder / name).unlink(missing_ok=True)
    if not (folder / "checkpoints").is_symlink():
        for state in sorted(folder.glob("checkpoints/step-*.pt")):
            state.unlink()
    for path in sorted(folder.iterdir(), key=lambda path: (path.name == CONFIG, path.name)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def now() -> str:
    """The present time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def git_commit() -> str | None:
    """The commit of dlexp's checkout, with `-dirty` where files of the package or of conf/ differ from it.

    None for an installed package, even if its folder is within another repository.
    """
    root, _, commit = (_ask_git("rev-parse", "--show-toplevel", "HEAD") or "").rpartition("\n")
    if not commit or Path(root).resolve() != PACKAGE.resolve().parent:
        return None
    changed = _ask_git("--no-optional-locks", "status", "--porcelain", "--", ".", "../conf")
    return f"{commit}-dirty" if changed else commit


def _ask_git(*arguments: str) -> str | None:
    """What git prints about the folder of the package; None if there is no git, or no repository."""
    try:
        return subprocess.run(
            ["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _replace_nonfinite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
