"""The cells of a table of labels, and which of its columns hold files, labels and splits."""

import io
import warnings
import zlib
from lzma import LZMAError
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable, show_path
from dlexp.data.image_names import SUFFIXES, name_some
from dlexp.data.table_file import read_unpacked
from dlexp.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    import pandas as pd

# Names of columns, in lower case, that need not be given.
MAX_BYTES = 2**30  # of the text of a table of labels: ten million images with paths of 100 characters
FILE_COLUMNS = (
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_id",
    "id",
    "name",
)
LABEL_COLUMNS = ("label", "class", "category", "target", "class_name", "species", "breed")
SPLIT_COLUMNS = ("split", "set", "subset", "partition")


def read_cells(path: Path) -> "pd.DataFrame":
    """The table as text, with the number of each line that is not empty, less 2, as index."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows with more cells than there are columns
            table = pd.read_csv(
                io.BytesIO(read_unpacked(path, MAX_BYTES)),
                sep="\t" if path.suffix.lower() == ".tsv" else ",",
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                skipinitialspace=True,
                index_col=False,
                encoding="utf-8-sig",
            ).fillna("")
    except (OSError, EOFError, zlib.error, LZMAError, BadZipFile, ValueError, pd.errors.ParserWarning) as error:
        raise DatasetError(
            f"{show_path(str(path))} cannot be read as a table ({make_printable(str(error).strip())})."
        ) from error
    table.columns = table.columns.map(str.strip)
    table = table.apply(lambda column: column.str.strip())
    return table[(table != "").any(axis=1)]


def find_columns(table: "pd.DataFrame", shown: str, file_column: str | None, label_column: str | None) -> tuple[str, str]:
    """The columns of the files and of the labels."""
    names = list(table.columns)
    if any(name.lower().endswith(SUFFIXES) for name in names):
        raise ConfigError(
            f"dataset.labels: expected names of columns in the first line of {shown}, as file,label, got {name_some(names)}."
        )
    file = find_column(table, shown, "file_column", file_column, FILE_COLUMNS)
    label = find_column(table, shown, "label_column", label_column, LABEL_COLUMNS)
    if len(names) == 2 and file != label:
        file = file or next(name for name in names if name != label)
        label = label or next(name for name in names if name != file)
    if len(names) == 2 and file is None and label is None:
        file, label = names
    for key, name, kind in (("file_column", file, "paths of the images"), ("label_column", label, "names of their classes")):
        if name is None:
            columns = name_some(names)
            raise ConfigError(f"dataset.{key}: expected the column of {shown} with the {kind}, got null. Columns: {columns}.")
    return str(file), str(label)


def find_column(table: "pd.DataFrame", shown: str, key: str, given: str | None, known: tuple[str, ...]) -> str | None:
    """The column that is given, or else the first that has a known name."""
    names = list(table.columns)
    if given is not None and given not in names:
        raise ConfigError(
            f"dataset.{key}: expected a column of {shown}, got {make_printable(given)}. Its columns: {name_some(names)}."
            f"{make_printable(nearest_option(given, names))}"
        )
    return given or next((name for word in known for name in names if name.lower() == word), None)


def has_split_column(path: Path) -> bool:
    """Whether a table has a column that is known to hold splits."""
    try:
        return any(name.lower() in SPLIT_COLUMNS for name in read_cells(path).columns)
    except DatasetError:
        return False
