"""Reads a CSV file with pandas. The index of the frame holds the lines of the file, for messages."""

import io
import warnings
import zlib
from collections.abc import Sequence
from functools import partial
from lzma import LZMAError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from dlexp.config.values import make_printable
from dlexp.contract import ConfigError, DatasetError
from dlexp.data.table_columns import find_text
from dlexp.data.table_file import TooLargeError, read_unpacked
from dlexp.data.table_messages import in_file, join_names
from dlexp.machine.files import open_regular_file
from dlexp.machine.memory import read_memory

SEPARATORS = (",", ";", "\t")
SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")  # of the files that a message lists
UNNAMED = "Unnamed: {}"  # pandas' own name of a column without one


def read_csv(path: Path, *, decimal: str = "point", as_text: Sequence[str] = (), key: str = "dataset.train") -> pd.DataFrame:
    """Read a CSV file in UTF-8, compressed if its name ends in .gz, .bz2, .xz or .zip.

    Comma, semicolon or tab separates the cells: that of the three which gives most columns in the first line. Lines without any
    value are left out. What pandas takes for a missing value (an empty cell, NA, n/a, NaN, null, None) is NaN.

    Args:
        path: The file.
        decimal: `point` or `comma`.
        as_text: The columns to read as text even if they look like numbers.
        key: The setting that holds the path.

    Returns:
        Columns of numbers (int64, uint64 or float64) and of text, True and False included. The index is the line of each row in
        the file; the header is line 1.

    Raises:
        ConfigError: If there is no such file, or if it has no rows or a wrong header.
        DatasetError: If it cannot be read as CSV.
    """
    if path.is_dir():
        raise ConfigError(_describe_folder(path, key))
    place = in_file(key, path)
    content = _read(path, place)
    names, separator = _read_header(path, content, place)
    parse = partial(_parse, path, content, place, separator, decimal)
    frame = parse({name: str for name in as_text if name in names}, names)
    if frame.dropna(how="all").empty:
        raise ConfigError(f"{place}: expected rows below the header ({join_names(names)}), got none.")
    # pandas reads True as a boolean and a number above 2**64 as an object: the text of the cells is read instead.
    if odd := [str(name) for name, dtype in frame.dtypes.items() if dtype in (object, bool)]:
        frame[odd] = parse(dict.fromkeys(odd, str), names)[odd]
    frame.index = pd.Index(_number_lines(frame))
    for name in find_text(frame):
        frame[name] = frame[name].str.strip()
        if decimal == "comma" and name not in as_text:
            _refuse_points(frame[name].dropna(), path)
    return frame.dropna(how="all")


def _read(path: Path, place: str) -> bytes:
    """The text of the table. It takes up to three times its size to parse it: four times that is free."""
    available = read_memory().available
    try:
        return read_unpacked(path, available // 4)
    except TooLargeError as error:
        raise ConfigError(
            f"{place}: expected a table that fits into memory: with {available / 2**30:.1f} GiB free, up to "
            f"{available / 2**32:.1f} GiB of text. It has more."
        ) from error
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error, LZMAError, NotImplementedError) as error:
        reason = make_printable(getattr(error, "strerror", None) or str(error))
        raise DatasetError(f"{place} cannot be read ({reason}).{_guess_format(path)}") from error


def _read_header(path: Path, content: bytes, place: str) -> tuple[list[str], str]:
    """The names of the columns, and the separator."""
    lines = {separator: _parse(path, content, place, separator, "point", str) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda separator: lines[separator].shape[1])  # the first of equal ones
    cells = [str(cell).strip() for cell in lines[separator].iloc[0]]
    names = [name or UNNAMED.format(index) for index, name in enumerate(cells)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{place}: expected a name of its own for each column, got {join_names(twice)} more than once.")
    numbers = pd.to_numeric(pd.Series(cells), errors="coerce").notna()
    if numbers.all() and cells != [str(index) for index in range(len(cells))]:
        raise ConfigError(
            f"{place}: expected the names of the columns in line 1, got numbers ({join_names(cells)}). Write names above them, "
            "such as label,x1,x2."
        )
    return names, separator


def _parse(
    path: Path, content: bytes, place: str, separator: str, decimal: str, dtype: Any, names: list[str] | None = None
) -> pd.DataFrame:
    """Read the rows, or without `names` the cells of the first line. Errors say what the file is instead."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # that cells are left out
            return pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                decimal="," if decimal == "comma" else ".",
                dtype=dtype,
                names=names,
                header=0 if names else None,
                nrows=None if names else 1,
                index_col=False,
                na_filter=names is not None,
                skip_blank_lines=False,  # so that rows are counted as lines
                skipinitialspace=True,
                low_memory=False,  # so that the type of a column depends on all of its cells
            )
    except pd.errors.ParserWarning as error:
        raise ConfigError(f"{place}: expected {len(names or ())} cells in each line, as in the header, got more.") from error
    except pd.errors.EmptyDataError as error:
        raise ConfigError(f"{place}: expected the names of the columns in line 1, got an empty line or file.") from error
    except UnicodeDecodeError as error:
        advice = _guess_format(path) or " Save it as CSV UTF-8."
        raise DatasetError(f"{place} is not text in UTF-8 ({error.reason}).{advice}") from error
    except pd.errors.ParserError as error:
        reason = make_printable(" ".join(str(error).split()).removeprefix("Error tokenizing data. C error: "))
        advice = _guess_format(path) or " A cell that holds a separator or a line break stands in double quotes."
        raise DatasetError(f"{place} cannot be read as CSV ({reason}).{advice}") from error
    except ValueError as error:
        raise DatasetError(f"{place} cannot be read ({make_printable(str(error))}).{_guess_format(path)}") from error


def _guess_format(path: Path) -> str:
    """A sentence on what the file is and what to do, or an empty text."""
    starts = {
        b"PK\x03\x04": "It is a workbook or a zip archive: save the sheet as CSV UTF-8.",
        b"\xd0\xcf\x11\xe0": "It is an Excel workbook: save the sheet as CSV UTF-8.",
        b"PAR1": "It is a Parquet file: write it as CSV, as pandas.read_parquet(…).to_csv(…, index=False).",
        b"\xff\xfe": "It is UTF-16: save it as CSV UTF-8.",
        b"\xfe\xff": "It is UTF-16: save it as CSV UTF-8.",
        b"\x1f\x8b": "It is compressed: let its name end in .csv.gz.",
    }
    try:
        with open_regular_file(path) as file:
            start = file.read(4)
    except (OSError, ValueError):
        return ""
    found = [advice for magic, advice in starts.items() if start.startswith(magic) and path.suffix not in (".gz", ".zip")]
    return f" {found[0]}" if found else ""


def _number_lines(frame: pd.DataFrame) -> np.ndarray:
    """The line of each row in the file: a quoted cell, in the header too, may hold line breaks."""
    breaks = np.zeros(len(frame) + 1, dtype=np.int64)
    breaks[0] = sum(str(name).count("\n") for name in frame)
    for name in find_text(frame):
        breaks[1:] += frame[name].str.count("\n").fillna(0).to_numpy(dtype=np.int64)
    return 2 + np.arange(len(frame)) + breaks[:-1].cumsum()


def _refuse_points(cells: pd.Series, path: Path) -> None:
    """Refuse a column of numbers with a decimal point, which was read as text because the mark is to be a comma."""
    with_point = cells[cells.str.contains(".", regex=False)]
    if len(with_point) and pd.to_numeric(cells, errors="coerce").notna().all():
        raise ConfigError(
            f"dataset.decimal: expected point, as column {make_printable(str(cells.name))} of {make_printable(path.name)} has "
            f"numbers such as {make_printable(with_point.iloc[0])}, got comma."
        )


def _describe_folder(path: Path, key: str) -> str:
    files = sorted(item.name for item in path.iterdir() if item.name.lower().endswith(SUFFIXES))
    there = f"which holds {join_names(files)}: {key}={make_printable(str(path / files[0]))}" if files else "which holds none"
    return f"{key}: expected a CSV file, got the folder {make_printable(str(path))}, {there}."
