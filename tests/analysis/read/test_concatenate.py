import csv
import gzip
import math

import pandas as pd
import pytest

from dlexp.analysis.read.concatenate import build_frame, concatenate_csv

FILES = [
    (
        "epoch,step,train/loss,val/loss\n0,0,,2.5\n1,9,1.5,2\n2,18,nan,inf\n3,",
        {"id": "a", "seed": 0, "depth": 2, "widths": None},
    ),
    ("epoch,step,train/loss\n", {"id": "b", "seed": 1, "depth": 2}),
    ("epoch,step,train/loss,extra\n1,9,1e-3,7\n", {"id": "c", "seed": 2, "depth": None, "widths": "[1,2]", "flag": True}),
    ("epoch,probe,layer,name,value\n1,p,l,nan,1\n1,p,,x,2\n", {"id": "d", "seed": 3, "depth": 4, "lr": 1}),
    ("epoch,id\n1,5\n", {"id": "e", "seed": 4}),
    ("", {"id": "f", "only": 1}),
]


def concatenate_row_by_row(files):
    """The definition of the table: a dictionary for each row."""
    rows, settings = [], set()
    for text, fields in files:
        complete = text[: text.rfind("\n") + 1].splitlines()
        for row in csv.DictReader(complete):
            rows.append(fields | {name: parse(name, cell) for name, cell in row.items()})
            settings |= fields.keys()
    return build_frame(rows, dict.fromkeys(name for row in rows for name in row), settings)


def parse(name, cell):
    kind = str if name in ("probe", "layer", "name") else int if name in ("epoch", "step") else float
    return kind(cell) if cell or kind is str else math.nan


@pytest.mark.parametrize("chosen", [FILES, FILES[:1], FILES[1:2], FILES[:3], FILES[3:], FILES[::-1], []])
@pytest.mark.parametrize("packed", [False, True])
def test_the_table_is_that_of_its_rows(tmp_path, chosen, packed):
    paths = [tmp_path / f"{i}.csv" for i in range(len(chosen))]
    for path, (text, _) in zip(paths, chosen, strict=True):
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
    found = concatenate_csv([(path, fields) for path, (_, fields) in zip(paths, chosen, strict=True)])
    pd.testing.assert_frame_equal(found, concatenate_row_by_row(chosen), check_exact=True)
