"""runs.csv: a table of runs as a file that a spreadsheet opens without executing any of it, and that reads back the same."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd

TEXT = {"id", "study", "folder", "reason", "code", "git_commit", "init_hash", "host", "device", "started", "ended"}
EXECUTED = tuple("=+-@\t\r\n'")  # what makes a spreadsheet take a text for a formula; and the sign that prevents it


def write_runs(runs: pd.DataFrame, path: str | Path) -> None:
    """Write a table of runs; of the folder, its name.

    A text that a spreadsheet would execute gets a leading `'`; `read_sheet` takes it off again.
    """
    rows = runs.to_dict("records")
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_written(str(name)) for name in runs.columns)
        for row in rows:
            if isinstance(row.get("folder"), str):
                row["folder"] = Path(row["folder"]).name
            writer.writerow(_written(value) for value in row.values())


def _written(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(EXECUTED) else value
    return "" if value is None or value != value else str(value)


def read_sheet(path: str | Path) -> pd.DataFrame:
    """A table that `write_runs` wrote."""
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        names = [name.removeprefix("'") for name in next(reader, [])]
        rows = [[_read(name, cell) for name, cell in zip(names, line, strict=True)] for line in reader]
    return pd.DataFrame(rows, columns=names)


def _read(name: str, cell: str) -> Any:
    if not cell:
        return None
    if cell.startswith("'"):
        return cell[1:]
    if name in TEXT or name.startswith("versions."):
        return cell
    if cell in ("True", "False"):
        return cell == "True"
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
