"""Write and read the tables of an archive: what a report needs of its runs beside runs.csv, for when their folders are gone.

An archive's folder `tables/` holds `curves-1.csv.gz`, `probes-1.csv.gz`, further parts of each, the arrays that figures show as
`<id of the run>-<name>.npz`, and SHA256SUMS over all of them.
"""

import csv
import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.read.concatenate import TEXT_COLUMNS, build_frame, read_columns
from dlexp.analysis.read.folder import warn_damaged
from dlexp.run.record.checksums import check_listed_file

TABLES = "tables"
CURVES, PROBES = "curves", "probes"
MAX_EPOCHS = 100  # of a run
FORMAT = "%.6g"
MAX_PART_BYTES = 240_000  # so that a repository takes each part as a small file


def thin_epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of at most 100 epochs of each run: the first, the last, and others evenly between them."""
    if frame.empty:
        return frame
    chosen = np.zeros(len(frame), bool)
    for rows in frame.groupby("id", sort=False).indices.values():
        epochs = frame["epoch"].iloc[rows]
        distinct = np.unique(epochs)
        places = np.unique(np.linspace(0, len(distinct) - 1, min(MAX_EPOCHS, len(distinct))).round().astype(int))
        chosen[rows] = epochs.isin(distinct[places]).to_numpy()
    return frame[chosen].reset_index(drop=True)


def format_parts(name: str, frame: pd.DataFrame, fields: Sequence[str]) -> dict[str, bytes]:
    """The files of a table: the name of each → its content. Numbers have six digits.

    Args:
        name: `curves` or `probes`.
        frame: The table, with the id of the run in each row.
        fields: The columns that are left out, because they are the same in all rows of a run and the protocol has them.
    """
    if frame.empty:
        return {}
    measured = frame[["id", *(column for column in frame if column not in ("id", *fields))]]
    for number in range(1, len(frame) + 1):
        size = -(-len(frame) // number)
        parts = [measured.iloc[start : start + size] for start in range(0, len(frame), size)]
        packed = [gzip.compress(part.to_csv(index=False, float_format=FORMAT).encode(), mtime=0) for part in parts]
        if max(map(len, packed)) <= MAX_PART_BYTES:
            break
    return {f"{name}-{i}.csv.gz": content for i, content in enumerate(packed, 1)}


def read_parts(folder: Path, name: str, fields: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Read a table that `format_parts` made, with the fields of each run in front of its rows; empty if there is none.

    A damaged part is named in a warning and left out, and so are rows of runs without fields.

    Args:
        folder: The folder of the tables.
        name: `curves` or `probes`.
        fields: Id of a run → its fields, the id among them.
    """
    parts = []
    for path in _find_parts(folder, name):
        try:
            check_listed_file(path)
            parts.append(pd.DataFrame(read_columns(path, ("id", *TEXT_COLUMNS))))
        except (OSError, ValueError, csv.Error) as error:
            warn_damaged(path, error)
    if not parts:
        return pd.DataFrame()
    joined = pd.concat(parts, ignore_index=True)
    joined = joined[joined["id"].isin(list(fields))].reset_index(drop=True)
    names = list(dict.fromkeys(column for values in fields.values() for column in values))
    described = build_frame(list(fields.values()), names, set(names))
    places = pd.Index(list(fields)).get_indexer(pd.Index(joined["id"]))
    repeated = described.take(places).reset_index(drop=True)
    return pd.concat([repeated, joined.drop(columns="id")], axis=1)


def _find_parts(folder: Path, name: str) -> list[Path]:
    found = {path: re.fullmatch(rf"{name}-(\d+)\.csv\.gz", path.name) for path in folder.glob(f"{name}-*.csv.gz")}
    return sorted((path for path, match in found.items() if match), key=lambda path: int(path.name.split("-")[1].split(".")[0]))
