"""Predict the classes of new files, or their numbers, with a trained run."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_command, show_uses
from dlexp.config.values import make_printable
from dlexp.errors import DatasetError
from dlexp.trained.find import find_run

if TYPE_CHECKING:
    import pandas as pd  # takes half a second

USES = {
    "3f2a photo.jpg": "an image, by the run whose id begins so",
    "3f2a scans/ --top 3": "each image in a folder: three classes",
    "3f2a new.csv --format csv": "each row of a table, as CSV",
}
EXIT_CODES = """\
Exit codes: 0 all files were read, 1 some could not be read and were left out
(each is named on standard error), 2 the command is wrong, 4 the weights are
damaged, 7 no file could be read."""


def main(arguments: list[str]) -> int:
    """Read the command line, predict, and print a row for each input.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        show_command("predict"),
        description=f"{__doc__}\n\n{show_uses('predict', USES)}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="its id or the first four digits of it, its folder, or the folder's name")
    parser.add_argument("files", nargs="+", metavar="FILE", help="images, folders of images, .csv, .npz or .npy")
    parser.add_argument("--top", type=int, default=1, metavar="N", help="number of classes for each input (default: 1)")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", help="of the output (default: table)")
    parser.add_argument("--device", choices=("cpu", "cuda", "auto"), default="cpu", help="where to compute (default: cpu)")
    add_run_flags(parser)
    return attempt(lambda: _predict(parser.parse_args(choose_lab(arguments))))


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where a run and its lab are. `choose_lab` reads the second one itself."""
    parser.add_argument("--outputs", default="outputs", metavar="FOLDER", help="where runs are searched (default: outputs)")
    parser.add_argument("--config-dir", metavar="LAB/conf", help="the lab, if the run used options of one")


def _predict(given: argparse.Namespace) -> int:
    folder = find_run(given.run, given.outputs)
    from dlexp.trained.load import load_trained  # load torch; a wrong command is refused before
    from dlexp.trained.predict import predict

    problems: list[str] = []

    def skip(error: DatasetError) -> None:
        problems.append(str(error))
        print(error, file=sys.stderr)

    trained = load_trained(folder)
    found = predict(trained, given.files, top=given.top, device=given.device, skip=skip)
    if found.empty and problems:
        raise DatasetError("No file could be read.")
    text = _FORMATS[given.format](found)
    print(text.encode(errors="backslashreplace").decode(), end="")  # a file's name need not be UTF-8
    return 1 if problems else 0


def _format_table(found: "pd.DataFrame") -> str:
    """Aligned columns, numbers with four digits. Names are made printable."""
    columns = [[str(name), *map(_format_cell, found[name].tolist())] for name in found]
    widths = [max(map(len, column)) for column in columns]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in zip(*columns, strict=True)
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _format_cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else make_printable(str(value))


def _format_json(found: "pd.DataFrame") -> str:
    rows = found.astype(object).where(found.notna(), None).to_dict("records")  # JSON has no NaN
    return json.dumps(rows, indent=1, ensure_ascii=False, default=float) + "\n"


_FORMATS = {"table": _format_table, "csv": lambda found: found.to_csv(index=False), "json": _format_json}
