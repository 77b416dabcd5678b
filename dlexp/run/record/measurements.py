"""The files that probes fill: probes.csv, and those in arrays/."""

import csv
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from dlexp.machine.files import open_regular_file, open_to_append, replacing, sync, write_whole
from dlexp.run.record.checksums import sum_file
from dlexp.run.record.clear import remove

if TYPE_CHECKING:  # it loads torch, which whoever reads a record does not need
    from dlexp.training.probing import Measurement

PROBES, ARRAYS = "probes.csv", "arrays"
PROBE_COLUMNS = ("epoch", "probe", "mode", "layer", "name", "value")

Sums = Mapping[str, Any]
"""A file's path below the run folder → its `bytes` and `sha256`; of states of older versions its bytes alone."""


class MeasurementFiles:
    """Writes what probes measured, and computes the sums of these files.

    Args:
        folder: The folder of the run.
        sums: Of a run that goes on, what `sync` returned when its state was saved. What was measured later is cut off.
    """

    def __init__(self, folder: Path, sums: Sums) -> None:
        self.folder = folder
        self._sums = {name: entry for name, entry in sums.items() if name.startswith(f"{ARRAYS}/")}
        self._unsynced: set[str] = set()  # names of arrays
        self._rows: IO[str] | None = None
        self._columns: Sequence[str] = PROBE_COLUMNS
        self._summed, self._sum = 0, hashlib.sha256()  # of probes.csv: the bytes that the sum covers, and the sum
        path = folder / PROBES
        if PROBES not in sums:
            remove(path)
            return
        with open_regular_file(path) as file:
            write_whole(path, file.read(read_size(sums[PROBES])))  # a new file: a copy made with hard links keeps its content
        with path.open(newline="") as text:
            self._columns = next(csv.reader(text), PROBE_COLUMNS)  # without `mode` if an older version began it
        self._rows = open_to_append(path)

    def add(self, epoch: int, measured: "Measurement") -> None:
        """Append a probe's scalars to probes.csv, which the first call creates, and write its arrays."""
        if measured.result.scalars:
            if self._rows is None:
                self._rows = open_to_append(self.folder / PROBES)
                csv.writer(self._rows).writerow(self._columns)
            fixed = {"epoch": epoch, "probe": measured.probe, "mode": measured.mode}
            csv.DictWriter(self._rows, self._columns, extrasaction="ignore").writerows(
                fixed | {"layer": layer, "name": name, "value": repr(value)} for layer, name, value in measured.result.scalars
            )
            self._rows.flush()
        self.add_arrays(f"{measured.probe}-{epoch}", measured.result.arrays)

    def add_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/<name>.npz, compressed; no file if there are no arrays."""
        if arrays:
            path = self.folder / ARRAYS / f"{name}.npz"
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            self._sums[f"{ARRAYS}/{path.name}"] = {"bytes": path.stat().st_size, "sha256": sum_file(path)}
            self._unsynced.add(f"{ARRAYS}/{path.name}")

    def sync(self) -> Sums:
        """Bring the files to the disk itself.

        Returns:
            For each file its size and its sum.
        """
        for name in self._unsynced:
            sync(self.folder / name)
        self._unsynced.clear()
        return {**self._sums, **({PROBES: self._sync_rows()} if self._rows else {})}

    def _sync_rows(self) -> dict[str, Any]:
        path = self.folder / PROBES
        sync(path)
        with path.open("rb") as file:  # what was added since the last time
            file.seek(self._summed)
            while block := file.read(2**20):
                self._sum.update(block)
                self._summed += len(block)
        return {"bytes": self._summed, "sha256": self._sum.hexdigest()}

    def list_files(self) -> list[str]:
        """The files that were written, as paths below the folder of the run."""
        return [*self._sums, *([PROBES] if self._rows else [])]

    def close(self) -> None:
        """Close probes.csv."""
        if self._rows:
            self._rows.close()


def read_size(entry: Any) -> int:
    """The bytes in one of these sums."""
    return int(entry["bytes"] if isinstance(entry, Mapping) else entry)


def find_changed_since(folder: Path, sums: Sums) -> str | None:
    """What is wrong with a file that a saved state depends on; None if all are as they were. They may have grown since."""
    for name, entry in sums.items():
        size = read_size(entry)
        with open_regular_file(folder / name) as file:
            if os.fstat(file.fileno()).st_size < size:
                return f"needs {size} bytes of {name}, which is shorter"
            content = file.read(size)
        if isinstance(entry, Mapping) and hashlib.sha256(content).hexdigest() != entry["sha256"]:
            return f"needs {name} as it was when the state was saved, and its sha256 is another"
    return None
