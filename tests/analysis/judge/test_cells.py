import pandas as pd
import pytest

from dlexp.analysis import aggregate
from dlexp.analysis.judge.cells import distinct_cells, matches

NAN = float("nan")


@pytest.mark.parametrize(
    "columns",
    [
        {"a": ["x", "y", "x", None, "y"]},
        {"a": [1, 2, 1, 2, 1], "b": [0.1, NAN, 0.1, NAN, 0.2]},
        {"a": pd.Series([1, True, 1.0, None, "1"], dtype=object)},
        {"a": pd.Series([None, NAN, "[1,2]", "[1,2]", 0], dtype=object), "b": [True, False, True, True, False]},
        {},
    ],
)
def test_the_rows_of_a_cell_are_those_that_match_it(columns):
    statuses = ["done", "diverged", "failed", "done", "interrupted"]
    runs = pd.DataFrame({"seed": range(5), "status": statuses, "test/acc": [0.1, 0.2, NAN, 0.4, NAN], **columns})
    cells = aggregate(runs, list(columns), "test/acc")
    for row, cell in zip(cells.to_dict("records"), distinct_cells(runs, list(columns)), strict=True):
        selected = runs[matches(runs, cell)]
        values = selected["test/acc"].dropna()
        assert row["n"] == len(values)
        assert row["mean"] == pytest.approx(values.mean(), nan_ok=True)
        assert row["failed"] == (selected["status"] == "failed").sum()
        assert row["missing"] == (selected["status"] == "interrupted").sum()
