"""The folder of a run: its rows, arrays, log and summary."""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dlexp.config.plain_json import FormError, seal
from dlexp.machine.files import open_to_append, sync, write_whole
from dlexp.machine.printing import replace_controls
from dlexp.run.record.checksums import find_damage, list_summed_files, sum_file
from dlexp.run.record.clear import FORCED, clear, remove, remove_outdated
from dlexp.run.record.forms import read_summary_file
from dlexp.run.record.layout import LOG, METRICS, SUMMARY
from dlexp.run.record.measurements import PROBES, MeasurementFiles, Sums
from dlexp.run.record.modules import combine, git_commit
from dlexp.run.record.place import Place, explain_moved

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
    "jobs",  # runs that were executed at the same time
    "bit_exact",
    "differs",
    "files",  # sums of files that hold times
    "checksum",
}

PREPROCESSING = "preprocessing.json"


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
        check_lock: Raises an error if another process may have begun with the run. Called before anything is written for good.
    """

    def __init__(
        self,
        folder: Path,
        columns: Sequence[str],
        files: Mapping[str, str],
        modules: Mapping[str, str],
        saved: SavedFiles | None = None,
        check_lock: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.started = folder, now()
        self.modules, self.code = dict(modules), combine(modules)
        self._initial, self._written = list(files), [METRICS, *files]
        self._check_lock = check_lock
        if saved is None:
            folder.mkdir(parents=True, exist_ok=True)
            clear(folder)
        else:
            remove_outdated(folder)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        self._measured = MeasurementFiles(folder, saved.sums if saved else {})
        # Written again from the state, which holds every row: damage to the old file has no effect.
        remove(folder / METRICS)
        self._metrics = open_to_append(folder / METRICS)
        self._rows = csv.DictWriter(self._metrics, columns, restval="", extrasaction="ignore" if saved else "raise")
        self._rows.writeheader()
        self._place = Place(folder)
        for name in (METRICS, PROBES):
            self._place.watch(folder / name)
        for numbers in saved.rows if saved else ():
            self._write_row(numbers)
        self._log = open_to_append(folder / LOG)

    def check(self) -> None:
        """Check that the lock, the folder and its tables are still those that this run writes.

        Raises:
            MovedError: If one was removed, renamed or replaced.
            HeldError: If another process has taken the run.
        """
        self._check_lock()
        self._place.check()

    def row(self, numbers: Mapping[str, float]) -> None:
        """Append a row to metrics.csv, with all digits of each float."""
        self.check()
        self._write_row(numbers)

    def _write_row(self, numbers: Mapping[str, float]) -> None:
        self._rows.writerow({name: repr(number) for name, number in numbers.items()})
        self._metrics.flush()

    def measurement(self, epoch: int, measured: "Measurement") -> None:
        """Append a probe's scalars to probes.csv, which the first call creates, and write its arrays."""
        self.check()
        self._measured.add(epoch, measured)
        self._place.watch(self.folder / PROBES)

    def arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/<name>.npz, compressed; no file if there are no arrays."""
        self.check()
        self._measured.add_arrays(name, arrays)

    def preprocessing(self, text: str) -> None:
        """Write how inputs were preprocessed, as dlexp/data/preprocessing.py words it."""
        self.check()
        write_whole(self.folder / PREPROCESSING, text)
        self.expect(PREPROCESSING)

    def expect(self, name: str) -> None:
        """Note a file that was written, by its path below the folder: the run is not done without it."""
        self._written.append(name)

    def sync(self) -> Sums:
        """Bring to the disk itself what a saved state depends on, and return the sizes and sums of what probes measured."""
        self.check()
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
        """Close all files. Nothing can be recorded afterwards."""
        self._close_files()
        self._place.close()

    def _close_files(self) -> None:
        for file in (self._metrics, self._log, self._measured):
            file.close()

    def finish(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Write the summary and close all files, which are then on the disk itself.

        Returns:
            The summary as written: numbers that are not finite are null.

        Raises:
            MovedError: If the folder, or a file of the run, is not there any more.
        """
        try:
            self._close_files()
            self.check()
            written = self._finish(summary)
        except FileNotFoundError:
            self.check()
            raise
        else:
            self.check()
            return written
        finally:
            self._place.close()

    def _finish(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        made = {"started": self.started, "ended": now(), "git_commit": git_commit(), "code": self.code, "modules": self.modules}
        written = [*self._written, *self._measured.list_files()]
        if lost := [name for name in written if not (self.folder / name).exists()]:
            raise explain_moved(self.folder / lost[0], self.folder)
        names = sorted({*list_summed_files(self.folder), *written})
        files = {name: sum_file(self.folder / name) for name in names}
        for name in sorted({*names, *(str(Path(name).parent) for name in names)}):
            sync(self.folder / name)
        content = seal(_replace_nonfinite({**summary, **made, "files": files}))
        write_whole(self.folder / SUMMARY, json.dumps(content, indent=1, allow_nan=False) + "\n", durable=True)
        (self.folder / FORCED).unlink(missing_ok=True)
        return content


def now() -> str:
    """The present time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _replace_nonfinite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_nonfinite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
