"""The folder of a run: its rows, arrays, log and summary."""

import csv
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlexp.config.plain_json import FormError, seal
from dlexp.machine.files import open_to_append, sync, write_whole
from dlexp.machine.printing import replace_controls
from dlexp.run.record.checksums import find_damage, list_summed_files, sum_file
from dlexp.run.record.forms import read_summary_file
from dlexp.run.record.layout import CONFIG, LOG, METRICS, SUMMARY
from dlexp.run.record.measurements import MeasurementFiles, Sums
from dlexp.run.record.modules import combine, git_commit

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
    "files",  # sums of files that hold times
    "checksum",
}

PREPROCESSING = "preprocessing.json"
FORCED = ".forced"  # in the folder of a run that was started with force=true and has not ended
PAGE = "report.html"  # which `dlexp report` writes


def without_volatile(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a summary, or of a row of metrics.csv, that are equal in identical runs."""
    steady = {name: value for name, value in fields.items() if name.rpartition("/")[2] not in VOLATILE}
    return steady | ({"metrics": without_volatile(steady["metrics"])} if "metrics" in steady else {})


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a run that has ended; None if there is none, or if it or a file beside it is damaged or missing."""
    summary = _read_written_summary(folder)
    return summary if summary is not None and not find_damage(folder, summary) else None


def explain_damage(folder: Path) -> list[str]:
    """What is wrong with the files beside the summary of a run that has ended, the end of a sentence each."""
    summary = _read_written_summary(folder)
    return find_damage(folder, summary) if summary is not None else []


def _read_written_summary(folder: Path) -> dict[str, Any] | None:
    """The summary as a run wrote it; None if there is none, or if it is damaged, and so counts as never written."""
    try:
        return read_summary_file(folder)
    except (FileNotFoundError, FormError):
        return None


class SavedFiles(NamedTuple):
    """What the folder of a run held when its state was saved.

    Args:
        rows: The rows of metrics.csv.
        sums: Sizes and sums of what probes measured, as `Record.sync` returned them.
    """

    rows: Sequence[Mapping[str, float]]
    sums: Sums


class Record:
    """Writes the folder of a run. `summary.json` comes last: the run of a folder without one was interrupted.

    Args:
        folder: Created, or emptied, unless `saved` is given.
        columns: Columns of metrics.csv.
        files: Name and text of the files that the folder has from the start (config.yaml, .hydra/…).
        modules: The code that runs: path of a module → hash of its source.
        saved: Of a run that continues from a saved state, what its folder held then. What was measured later is cut off.
    """

    def __init__(
        self,
        folder: Path,
        columns: Sequence[str],
        files: Mapping[str, str],
        modules: Mapping[str, str],
        saved: SavedFiles | None = None,
    ) -> None:
        self.folder, self.started = folder, now()
        self.modules, self.code = dict(modules), combine(modules)
        self._initial = list(files)
        if saved is None:
            folder.mkdir(parents=True, exist_ok=True)
            _clear(folder)
        else:
            self._clean()
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        self._measured = MeasurementFiles(folder, saved.sums if saved else {})
        # Written anew from the state, which holds every row: what was damaged in it since then is not kept.
        (folder / METRICS).unlink(missing_ok=True)
        self._metrics = open_to_append(folder / METRICS)
        self._rows = csv.DictWriter(self._metrics, columns, restval="", extrasaction="ignore" if saved else "raise")
        self._rows.writeheader()
        for numbers in saved.rows if saved else ():
            self.row(numbers)
        self._log = open_to_append(folder / LOG)

    def _clean(self) -> None:
        """Remove what shows the run as it was when it was interrupted, or failed, and files that were half written."""
        for name in (SUMMARY, PAGE):
            _remove(self.folder / name)
        log = self.folder / LOG
        if log.exists() and log.stat().st_nlink > 1:  # a copy of the folder made with hard links keeps its content
            write_whole(log, log.read_bytes())
        for temporary in self.folder.rglob(".*.tmp"):
            temporary.unlink()

    def row(self, numbers: Mapping[str, float]) -> None:
        """Append a row to metrics.csv, with all digits of each float."""
        self._rows.writerow({name: repr(number) for name, number in numbers.items()})
        self._metrics.flush()

    def measurement(self, epoch: int, measured: "Measurement") -> None:
        """Append a probe's scalars to probes.csv, which the first call creates, and write its arrays."""
        self._measured.add(epoch, measured)

    def arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/<name>.npz, compressed; no file if there are no arrays."""
        self._measured.add_arrays(name, arrays)

    def preprocessing(self, text: str) -> None:
        """Write how inputs were preprocessed, as dlexp/data/preprocessing.py words it."""
        write_whole(self.folder / PREPROCESSING, text)

    def sync(self) -> Sums:
        """Bring to the disk itself what a saved state depends on, and return the sizes and sums of what probes measured."""
        for name in self._initial:
            sync(self.folder / name)
        self._initial = []  # they do not change
        return self._measured.sync()

    def log(self, text: str) -> None:
        """Append a line, or a traceback, to train.log. Only the first line of a text begins with a time."""
        indented = replace_controls(text).replace("\n", "\n  ")
        self._log.write(f"{now()}  {indented}\n")
        self._log.flush()

    def close(self) -> None:
        """Close all files. Nothing can be recorded afterwards but the summary."""
        for file in (self._metrics, self._log, self._measured):
            file.close()

    def finish(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Write the summary and close all files, which are then on the disk itself.

        Returns:
            The summary as written: numbers that are not finite are null.
        """
        self.close()
        made = {"started": self.started, "ended": now(), "git_commit": git_commit(), "code": self.code, "modules": self.modules}
        names = list_summed_files(self.folder)
        files = {name: sum_file(self.folder / name) for name in names}
        for name in sorted({*names, *(str(Path(name).parent) for name in names)}):
            sync(self.folder / name)
        written = seal(_replace_nonfinite({**summary, **made, "files": files}))
        write_whole(self.folder / SUMMARY, json.dumps(written, indent=1, allow_nan=False) + "\n", durable=True)
        (self.folder / FORCED).unlink(missing_ok=True)
        return written


def _clear(folder: Path) -> None:
    """Empty a run folder. Wherever this is interrupted, what is left is an interrupted run, which goes on or starts over.

    First goes what says that the run is done, and next its states, each before its sidecar, so that none is left that refers to
    a file which is gone. The config is last: a folder without any of a run's files is not found again.
    """
    for name in (FORCED, SUMMARY):
        _remove(folder / name)
    if not (folder / "checkpoints").is_symlink():
        for state in sorted(folder.glob("checkpoints/step-*.pt")):
            state.unlink()
    for path in sorted(folder.iterdir(), key=lambda path: (path.name == CONFIG, path.name)):
        _remove(path)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def now() -> str:
    """The present time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _replace_nonfinite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
