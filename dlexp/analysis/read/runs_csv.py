"""Write and read runs.csv: a table of runs that a spreadsheet opens without executing any of it."""

import csv
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from dlexp.analysis.read.folder import DamagedError
from dlexp.analysis.read.scores import drop_scores_without_loss
from dlexp.analysis.read.text import read_table_text
from dlexp.machine.files import write_whole
from dlexp.run.record.checksums import check_listed_file

TRIALS = "trials.csv"  # the runs of a study's search; of the same form as runs.csv
TEXT_COLUMNS = {
    "id",
    "study",
    "folder",
    "reason",
    "code",
    "code_differs_in",
    "environment_differs_in",
    "git_commit",
    "init_hash",
    "host",
    "device",
    "processor",
    "instructions",
    "started",
    "ended",
}
FORMULA_STARTS = tuple("=+-@\t\r\n'")  # a spreadsheet takes such a text for a formula; `'` itself prevents that


def write_runs(runs: pd.DataFrame, path: str | Path) -> None:
    """Write a table of runs as runs.csv."""
    write_whole(Path(path), format_runs(runs))


def format_runs(runs: pd.DataFrame) -> str:
    """The content of runs.csv for a table of runs; of each folder only its name.

    A text that a spreadsheet would execute, or that would be read as a number or a truth value, gets a leading `'`, which
    `read_runs` removes.
    """
    names = [str(name) for name in runs.columns]
    rows = runs.to_dict("records")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(f"'{name}" if name.startswith(FORMULA_STARTS) else name for name in names)
    for row in rows:
        if isinstance(row.get("folder"), str):
            row["folder"] = Path(row["folder"]).name
        writer.writerow(_encode(name, value) for name, value in zip(names, row.values(), strict=True))
    return text.getvalue()


def _encode(column: str, value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_STARTS) or not isinstance(_decode(column, value), str) else value
    return "" if value is None or value != value else str(value)


def read_runs(path: str | Path) -> pd.DataFrame:
    """Read a table that `format_runs` made, or such a table gzipped. A score without a loss is nan.

    Raises:
        DamagedError: If it is not such a table.
        OSError: If it cannot be read.
    """
    try:
        check_listed_file(Path(path))
        reader = csv.reader(io.StringIO(read_table_text(Path(path)), newline=""))
        names = [name.removeprefix("'") for name in next(reader, [])]
        rows = [[_decode(name, cell) for name, cell in zip(names, line, strict=True)] for line in reader]
    except (ValueError, csv.Error) as error:
        raise DamagedError(f"{path}: not a table of runs: {error}") from error
    return pd.DataFrame([drop_scores_without_loss(dict(zip(names, row, strict=True))) for row in rows], columns=names)


def _decode(column: str, cell: str) -> Any:
    if not cell:
        return None
    if cell.startswith("'"):
        return cell[1:]
    if column in TEXT_COLUMNS or column.startswith(("versions.", "variables.")):
        return cell
    if cell in ("True", "False"):
        return cell == "True"
    for kind in (int, float):
        with suppress(ValueError):
            if str(number := kind(cell)) == cell:  # as it is written; 007, 1_0 and 1e3 are text
                return number
    return cell
