import numpy as np
import pandas as pd
import pytest

from dlexp.analysis.read.folder import DamagedRunWarning
from dlexp.analysis.read.tables import CURVES, MAX_PART_BYTES, format_parts, read_parts, thin_epochs
from dlexp.machine.files import make_own_folder
from dlexp.run.record.checksums import SUMS_FILE, list_sums


def make_curves(runs, epochs, seed=0):
    """Curves of random numbers, whose runs differ in a key that is a whole number, text or nothing."""
    generator = np.random.default_rng(seed)
    cells = [2, "[16,16]", None]
    frames = [
        pd.DataFrame(
            {
                "id": f"{run:012x}",
                "seed": run,
                "depth": pd.Series([cells[run % 3]] * epochs, dtype=object),
                "epoch": range(epochs),
                "step": [10 * epoch for epoch in range(epochs)],
                "val/loss": generator.normal(size=epochs).round(3),
            }
        )
        for run in range(runs)
    ]
    return pd.concat(frames, ignore_index=True)


def write(folder, frame):
    parts = format_parts(CURVES, frame, ["id", "seed", "depth"])
    make_own_folder(folder)
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    (folder / SUMS_FILE).write_text(list_sums(parts))
    return parts


def describe(frame):
    return {row["id"]: {name: row[name] for name in ("id", "seed", "depth")} for row in frame.to_dict("records")}


@pytest.mark.parametrize(("runs", "epochs"), [(1, 1), (4, 7), (60, 1500)])
def test_a_table_is_read_as_it_was_written(runs, epochs, tmp_path):
    curves = make_curves(runs, epochs)
    parts = write(tmp_path, curves)
    assert max(map(len, parts.values())) <= MAX_PART_BYTES
    assert (len(parts) > 1) == (runs * epochs > 50_000)
    read = read_parts(tmp_path, CURVES, describe(curves))
    assert list(read) == list(curves)
    assert read["depth"].fillna("none").tolist() == curves["depth"].fillna("none").tolist()
    pd.testing.assert_frame_equal(read.drop(columns="depth"), curves.drop(columns="depth"), check_dtype=False)


def test_numbers_have_six_digits_and_what_has_no_number_keeps_none(tmp_path):
    curves = make_curves(1, 4).assign(**{"val/loss": [1 / 3, np.nan, np.inf, 1e-30]})
    write(tmp_path, curves)
    assert read_parts(tmp_path, CURVES, describe(curves))["val/loss"].tolist() == pytest.approx(
        [0.333333, np.nan, np.inf, 1e-30], rel=1e-12, nan_ok=True
    )


def test_a_run_of_many_epochs_keeps_a_hundred_with_the_first_and_the_last():
    curves = pd.concat([make_curves(1, 1001), make_curves(2, 30)[lambda frame: frame["seed"] == 1]], ignore_index=True)
    thinned = thin_epochs(curves)
    assert thinned.groupby("seed")["epoch"].agg(["size", "min", "max"]).values.tolist() == [[100, 0, 1000], [30, 0, 29]]
    assert set(thinned[thinned["seed"] == 0]["epoch"].diff().dropna()) == {10, 11}


@pytest.mark.parametrize("damage", [b"no gzip data", None])
def test_a_damaged_part_is_named_and_left_out(damage, tmp_path):
    curves = make_curves(60, 1500)
    write(tmp_path, curves)
    path = tmp_path / "curves-1.csv.gz"
    if damage is None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        damage = bytes(content)
    path.write_bytes(damage)
    with pytest.warns(DamagedRunWarning, match=r"curves-1\.csv\.gz is damaged"):
        read = read_parts(tmp_path, CURVES, describe(curves))
    assert 0 < len(read) < len(curves)


def test_without_tables_there_are_no_rows(tmp_path):
    assert read_parts(tmp_path, CURVES, {}).empty
