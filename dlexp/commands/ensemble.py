"""Combine finished runs into ensembles, and measure on their test split what that gains."""

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_command, show_uses
from dlexp.config.values import join_first, make_printable, show_path
from dlexp.errors import ConfigError
from dlexp.run.record.layout import find_run_folders
from dlexp.trained.find import find_run

USES = {
    "outputs/activation_2d": "of each cell of a study an ensemble of its seeds",
    "outputs/activation_2d --by dataset": "of each data set an ensemble of all its runs",
    "3f2a 91c0 77de": "an ensemble of three runs",
}
NOTE = """\
The runs are combined by vote, by the mean of their probabilities, and by the mean
of their outputs; of a regression, by the mean of their predictions. The tables go
into ensemble.csv, and the gain with the number of runs into ensemble.png.

Exit codes: 0 done, 2 there are no such runs or they have other test examples, 4
weights are damaged, 7 the data cannot be read."""
SHARES = ("vote", "mean_probability", "mean_logit", "ece", "disagreement")
MAX_LISTED = 5  # runs that a message names


def main(arguments: list[str]) -> int:
    """Read the command line, combine the runs, print the tables and write the files.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        show_command("ensemble"),
        description=f"{__doc__}\n\n{show_uses('ensemble', USES)}\n\n{NOTE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", metavar="RUNS", help="folders of studies or runs, or ids of runs")
    parser.add_argument("--by", metavar="KEY,…", help="what separates ensembles (default: all that varies but the seed)")
    parser.add_argument("--one", action="store_true", help="one ensemble of all runs")
    parser.add_argument("--device", choices=("cpu", "cuda", "auto"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="of the files (default: ensemble/ in the first folder)")
    parser.add_argument("--outputs", default="outputs", metavar="FOLDER", help="where ids are searched (default: outputs)")
    parser.add_argument("--config-dir", metavar="LAB/conf", help="the lab, if the runs used options of one")
    return attempt(lambda: _combine(parser.parse_args(choose_lab(arguments)), parser))


def _combine(given: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if given.by and given.one:
        parser.error("--one makes one ensemble of all runs: leave --by out")
    folders = list(dict.fromkeys(folder for typed in given.runs for folder in _find_folders(typed, given.outputs)))
    if not folders:
        raise ConfigError(f"{_name(given.runs)}: there is no run.")
    from dlexp.run.record.forms import FINISHED, read_summary_file  # loads msgspec
    from dlexp.trained.ensemble import combine_runs, group_runs, measure_gain  # load torch
    from dlexp.trained.load import load_trained

    usable = [folder for folder in folders if _is_usable(folder, read_summary_file, FINISHED)]
    if left_out := len(folders) - len(usable):
        print(f"{left_out} of {len(folders)} runs are left out: they are not finished, or their weights are of no use.")
    runs = sorted(map(load_trained, usable), key=lambda run: str(run.summary.get("started")))  # in the order of the study
    by = [] if given.one else given.by.split(",") if given.by else None
    groups = group_runs(runs, by)
    rows = [row for name, members in groups.items() for row in measure_gain(combine_runs(name, members, given.device))]
    print(_format(_summarise(rows)), _format(_list_gains(rows)), sep="\n\n")
    output = given.output or _choose_output(given.runs)
    for path in _write(rows, output):
        print(f"→ {show_path(str(path))}")
    return 0


def _find_folders(typed: str, outputs: str) -> list[Path]:
    """The run folders that an argument names."""
    path = Path(typed).expanduser()
    if path.is_dir() and not (path / "config.yaml").exists():
        return sorted(find_run_folders(path, lambda error: print(f"{error.filename}: {error.strerror}", file=sys.stderr)))
    return [find_run(typed, outputs)]


def _is_usable(folder: Path, read: Any, finished: Iterable[str]) -> bool:
    """Whether a run has weights that were tested."""
    try:
        summary = read(folder)
    except (OSError, ValueError):
        return False
    return summary["status"] in finished and summary.get("metrics", {}).get("test/loss") is not None


def _choose_output(typed: Sequence[str]) -> Path:
    first = Path(typed[0]).expanduser()
    return (first if first.is_dir() and not (first / "config.yaml").exists() else Path()) / "ensemble"


def _summarise(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A row for each ensemble of all its runs, beside the mean of the single ones."""
    is_regression = "rmse" in rows[0]
    head = ["ensemble", "runs", "single", *(["ensemble rmse"] if is_regression else ["vote", "probability", "logit"])]
    table = [head if is_regression else [*head, "disagree", "ece single", "ece"]]
    for first, last in _pair_ends(rows):
        cells = [make_printable(first["ensemble"]) or "all", str(last["runs"])]
        if is_regression:
            table.append([*cells, _show_spread(first, "rmse"), _show(last, "rmse")])
            continue
        cells += [_show_spread(first, "vote"), *(_show(last, name) for name in ("vote", "mean_probability", "mean_logit"))]
        table.append([*cells, _show(last, "disagreement"), _show(first, "ece"), _show(last, "ece")])
    return table


def _list_gains(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A row for each number of runs in an ensemble."""
    scores = ["rmse"] if "rmse" in rows[0] else ["vote", "mean_probability", "mean_logit", "ece"]
    table = [["ensemble", "runs", "choices", *(name.removeprefix("mean_") for name in scores)]]
    for row in rows:
        cells = [make_printable(row["ensemble"]) or "all", str(row["runs"]), str(row["choices"])]
        table.append([*cells, *(_show_spread(row, name) for name in scores)])
    return table


def _pair_ends(rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The first and the last row of each ensemble."""
    ends: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for row in rows:
        ends[row["ensemble"]] = (ends.get(row["ensemble"], (row,))[0], row)
    return list(ends.values())


def _show(row: dict[str, Any], name: str) -> str:
    value = row[name]
    return "–" if math.isnan(value) else f"{100 * value:.2f} %" if name in SHARES else f"{value:.4g}"


def _show_spread(row: dict[str, Any], name: str) -> str:
    """A mean over choices with their standard deviation."""
    spread = row[f"{name}_sd"]
    if math.isnan(spread):
        return _show(row, name)
    return f"{_show(row, name)} (sd {f'{100 * spread:.2f}' if name in SHARES else f'{spread:.2g}'})"


def _format(table: Sequence[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )


def _write(rows: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write the table and the figure; returns their paths."""
    from dlexp.analysis.report.figures.ensemble import draw_gain  # loads matplotlib
    from dlexp.machine.files import write_whole
    from dlexp.run.record import disk

    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value != value else value for name, value in row.items()} for row in rows)
    png, svg = draw_gain(rows)
    contents = {"ensemble.csv": text.getvalue().encode(), "ensemble.png": png, "ensemble.svg": svg}
    with disk.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_whole(folder / name, content)
    return [folder / name for name in contents]


def _name(typed: Sequence[str]) -> str:
    return join_first(map(show_path, typed), MAX_LISTED)
