"""Compare two runs, or two groups of runs: in which settings they differ, and in which numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dlexp.analysis.judge.cells import FINISHED
from dlexp.analysis.judge.statistics import contrast_independent, contrast_paired
from dlexp.analysis.read.folder import RunFolder
from dlexp.analysis.read.load import read_run_folders
from dlexp.analysis.read.outside_protocol import write_settings
from dlexp.analysis.report.labels import is_rate
from dlexp.api.html import show_lines, show_table, write_value
from dlexp.api.run import Run, load_run
from dlexp.errors import ConfigError

Side = Run | str | Path | Sequence[Run]


@dataclass(frozen=True)
class Comparison:
    """Two runs, or two groups of runs, side by side. `compare` makes it.

    Args:
        settings: One row per setting that differs: `key, a, b`. Where the runs of a side differ, all their values.
        metrics: One row per metric: `metric, a, b, difference` (b - a, of means), `low` and `high` (its 95 % t interval; nan
            with a single run on a side), and `n`: of seeds if the comparison is paired, of draws of the data if there are
            several, else of runs on the smaller side.
        paired: Whether the sides were compared seed by seed, because both have the same seeds, or draw by draw.
        sizes: Number of finished runs on each side.
        by_draw: Whether the runs of a side are on several draws of the data (data_seed). The value of a draw is then the mean
            of its runs, and the draws are compared: in pairs if both sides have the same.
    """

    settings: pd.DataFrame
    metrics: pd.DataFrame
    paired: bool
    sizes: tuple[int, int]
    by_draw: bool = False

    def describe(self) -> str:
        """How many runs are compared, and how."""
        a, b = self.sizes
        how = "as independent groups"
        if self.paired or self.by_draw:
            unit = "draw" if self.by_draw else "seed"
            how = f"{unit} by {unit}" if self.paired else "as independent groups of draws of the data"
        return "a and b are one run each" if a == b == 1 else f"a: {a} runs, b: {b} runs, compared {how}"

    def __repr__(self) -> str:
        """Both tables as text."""
        settings = self.settings.to_string(index=False) if len(self.settings) else "The settings are the same."
        return f"{self.describe()}\n\n{settings}\n\n{self.metrics.to_string(index=False)}"

    def _repr_html_(self) -> str:
        """Both tables, for a notebook."""
        settings = show_table(self.settings) if len(self.settings) else show_lines(["The settings are the same."])
        return show_lines([self.describe()]) + settings + show_table(self._write_metrics())

    def _write_metrics(self) -> pd.DataFrame:
        """The table of metrics as text: rates in per cent, their differences in points."""
        rows = [
            {
                "metric": row["metric"],
                **{side: write_value(row["metric"], row[side]) for side in ("a", "b")},
                **{name: _write_difference(row["metric"], row[name]) for name in ("difference", "low", "high")},
                "n": row["n"],
            }
            for row in self.metrics.to_dict("records")
        ]
        return pd.DataFrame(rows, columns=list(self.metrics.columns))


def compare(a: Side, b: Side, *, outputs: str | Path = "outputs") -> Comparison:
    """Compare two runs, or two groups of runs, such as the parts of a sweep.

    Args:
        a: A run, what `load_run` takes, or a sequence of runs.
        b: The same.
        outputs: The folder below which runs are searched.

    Raises:
        ConfigError: If a side has no finished run.
    """
    sides = [_read_side(side, outputs, name) for side, name in ((a, "a"), (b, "b"))]
    by_draw = any(len({run.config.get("data_seed") for run in side}) > 1 for side in sides)
    blocks = [[run.config.get("data_seed" if by_draw else "seed") for run in side] for side in sides]
    if by_draw:
        paired = set(blocks[0]) == set(blocks[1])
    else:
        paired = sorted(map(str, blocks[0])) == sorted(map(str, blocks[1])) and len(set(blocks[0])) == len(blocks[0])
    names = [name for name in sides[0][0].metrics if all(name in run.metrics for side in sides for run in side)]
    average = _average_draws if by_draw else _list_in_order
    rows = [_compare_metric(name, *(average(name, side) for side in sides), paired=paired) for name in names]
    columns = ["metric", "a", "b", "difference", "low", "high", "n"]
    return Comparison(
        _compare_settings(*sides), pd.DataFrame(rows, columns=columns), paired, (len(sides[0]), len(sides[1])), by_draw
    )


def _write_difference(metric: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:+.2f} points" if is_rate(metric) else f"{value:+.4g}"


def _read_side(side: Side, outputs: str | Path, name: str) -> list[RunFolder]:
    """The finished runs of a side, sorted by seed."""
    runs = [load_run(side, outputs=outputs)] if isinstance(side, str | Path) else [side] if isinstance(side, Run) else side
    found = [run for run in read_run_folders(run.folder for run in runs) if run.status in FINISHED]
    if not found:
        raise ConfigError(f"{name}: expected at least one finished run, got {len(runs)} runs of which none is finished.")
    return sorted(found, key=lambda run: (str(run.config.get("seed")).zfill(12), run.id))


def _list_in_order(name: str, runs: list[RunFolder]) -> list[float]:
    return [run.metrics[name] for run in runs]


def _average_draws(name: str, runs: list[RunFolder]) -> list[float]:
    """The mean of a metric on each draw of the data, in the order of data_seed."""
    values = pd.Series([run.metrics[name] for run in runs], dtype=float)
    return values.groupby([run.config["data_seed"] for run in runs]).mean().tolist()


def _compare_metric(name: str, left: list[float], right: list[float], *, paired: bool) -> dict[str, Any]:
    """Compare the values of two sides: of single runs, or the means of draws."""
    if paired:
        contrast = contrast_paired([other - one for one, other in zip(left, right, strict=True)])
    else:
        contrast = contrast_independent([right], [left])
    low, high = contrast.interval()
    means = {"a": sum(left) / len(left), "b": sum(right) / len(right)}
    return {"metric": name, **means, "difference": contrast.estimate, "low": low, "high": high, "n": contrast.n}


def _compare_settings(a: list[RunFolder], b: list[RunFolder]) -> pd.DataFrame:
    """The settings whose values differ between the sides. Those that follow from another one are left out."""
    sides = [_list_values(side) for side in (a, b)]
    keys = [key for key in {**sides[0], **sides[1]} if key != "seed" and sides[0].get(key) != sides[1].get(key)]
    causes = {*keys}  # such as `norm`, which `model.norm.eps` follows, and `depth`, which `model.depth` does
    rows = [
        [key, *(", ".join(side.get(key, ["–"])) for side in sides)]
        for key in keys
        if "." not in key or causes.isdisjoint(key.split("."))
    ]
    return pd.DataFrame(rows, columns=["key", "a", "b"])


def _list_values(runs: list[RunFolder]) -> Mapping[str, list[str]]:
    """Key → its distinct values in these runs, as text."""
    values: dict[str, list[str]] = {}
    for run in runs:
        for key, text in write_settings(run).items():
            if text not in values.setdefault(key, []):
                values[key].append(text)
    return {key: sorted(found) for key, found in values.items()}
