"""The runs of a sweep in Python, and their table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import pandas as pd

from dlexp.analysis.judge.cells import matches
from dlexp.analysis.read.load import build_runs, read_run_folders
from dlexp.api.run import Run
from dlexp.config.suggestion import nearest_option
from dlexp.errors import ConfigError
from dlexp.run.record.scores import TESTED


class Sweep(Sequence[Run]):
    """The runs of a sweep or of a study, in the order in which they were run; `sweep` returns it.

    Args:
        runs: The runs.
        keys: The keys in which they differ.
        unsupported: Why this machine cannot run the cells that were left out.
        report: The page of the study; None if the runs are of no study.
    """

    def __init__(
        self, runs: Sequence[Run], keys: Sequence[str] = (), unsupported: Sequence[str] = (), report: Path | None = None
    ) -> None:
        self.runs, self.keys = list(runs), list(keys)
        self.unsupported, self.report = list(unsupported), report

    @property
    def table(self) -> pd.DataFrame:
        """One row per run: `id`, the settings in which the runs differ, `status`, the test metrics, and `seconds` of training.

        `dlexp.load_runs` has all columns.
        """
        frame = self._load()
        tests = [name for name in frame if name in TESTED]
        reason = ["reason"] if frame["reason"].notna().any() else []
        columns = ["id", *self.keys, "status", *tests, "seconds", *reason]
        return frame[[name for name in columns if name in frame]]

    def select(self, **settings: Any) -> "Sweep":
        """The runs with these settings, such as `select(norm="bn", depth=8)`.

        Args:
            settings: Key → value, as in the columns of `load_runs`; a key with a dot as `select(**{"optimizer.lr": 0.1})`.

        Raises:
            ConfigError: If no run has such a key.
        """
        frame = self._load()
        if unknown := [key for key in settings if key not in frame]:
            known = [str(name) for name in frame.columns]
            raise ConfigError(*(f"{key}: no setting of these runs.{nearest_option(key, known)}" for key in unknown))
        chosen = set(frame.loc[matches(frame, settings), "id"])
        return Sweep([run for run in self.runs if run.id in chosen], self.keys, self.unsupported, self.report)

    def _load(self) -> pd.DataFrame:
        """All columns of the runs whose folder is there."""
        return build_runs(read_run_folders(run.folder for run in self.runs if run.folder.exists()))

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> "Sweep": ...

    def __getitem__(self, index: int | slice) -> "Run | Sweep":
        """The run at a place, or a part of the sweep."""
        return (
            Sweep(self.runs[index], self.keys, self.unsupported, self.report) if isinstance(index, slice) else self.runs[index]
        )

    def __len__(self) -> int:
        """Number of runs."""
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        """The runs in their order."""
        return iter(self.runs)

    def __repr__(self) -> str:
        """The table as text."""
        return f"Sweep of {len(self)} runs\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        """The table, for a notebook."""
        from dlexp.api.html import show_lines, show_table

        table = self.table
        counts = ", ".join(f"{count} {status}" for status, count in table["status"].value_counts().items())
        report = [f"Report: {self.report}"] if self.report else []
        lines = [f"{len(self)} runs: {counts or 'none has begun'}", *dict.fromkeys(self.unsupported), *report]
        return show_lines(lines) + show_table(table)
