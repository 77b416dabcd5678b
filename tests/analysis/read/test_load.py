import gzip
import subprocess
import sys

import pandas as pd
import pytest

from dlexp.analysis import DamagedRunWarning, analyse, load_metrics, load_probes, load_runs, write_runs
from dlexp.analysis.read.folder import DamagedError, read_config, read_run_folder
from dlexp.analysis.read.runs_csv import read_runs
from tests.analysis.made import make_run, make_study

AXES = {"activation": ["relu", "sigmoid"], "optimizer.lr": [0.1, 0.01]}


def test_each_run_is_a_row_with_choices_settings_metrics_and_summary(tmp_path):
    make_study(tmp_path, AXES, range(2))
    runs = load_runs(tmp_path)
    assert len(runs) == 8
    assert list(runs.columns[:6]) == ["id", "study", "folder", "status", "reason", "seed"]
    assert {"activation", "depth", "optimizer.lr", "test/acc", "best/epoch", "seconds", "num_epochs", "code"} <= {*runs}
    assert set(runs["optimizer.lr"]) == {0.1, 0.01}
    assert not {name for name in runs if "_target_" in name or name == "model.depth"}


@pytest.mark.parametrize("place", ["", "made_up"])
def test_every_level_of_outputs_can_be_loaded(tmp_path, place):
    make_study(tmp_path, AXES, range(2))
    (tmp_path / "made_up/.locks").mkdir()
    (tmp_path / "made_up/sweeps/seed=1-0123456789ab").mkdir(parents=True)
    assert len(load_runs(tmp_path / place)) == 8
    one = next((tmp_path / "made_up").glob("activation=*"))
    assert load_runs(str(one))["folder"].tolist() == [str(one)]


def test_failed_and_interrupted_runs_are_rows(tmp_path):
    states = ["done", "diverged", "failed", "oom", "interrupted"]
    make_study(tmp_path, {"depth": [1]}, range(5), status=lambda cell, seed: states[seed])
    runs = load_runs(tmp_path).sort_values("seed")
    assert runs["status"].tolist() == states
    assert runs["test/loss"].notna().tolist() == [True, False, False, False, False]
    assert runs["test/acc"].notna().tolist() == [True, False, False, False, False]  # in the summary it is not null
    assert runs["reason"].tolist()[2] == "RuntimeError: <b>made up</b>"
    assert runs["activation"].tolist() == ["relu"] * 5
    assert runs["epochs"].tolist() == [12] * 5


def test_a_score_without_a_loss_is_none_in_a_table_too(tmp_path):
    table = tmp_path / "runs.csv"
    scores = ",".join(f"{split}/{name}" for split in ("train", "val", "test") for name in ("loss", "acc"))
    table.write_text(
        f"id,status,{scores}\na,diverged,,0.5,,0.1,,0.1\nb,diverged,,0.5,0.3,0.9,0.4,0.8\nc,done,0.1,1,,,0.2,0.7\n"
    )
    assert load_runs(table).filter(like="acc").notna().to_numpy().tolist() == [
        [False, False, False],
        [False, True, True],
        [True, False, True],
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("summary.json", '{"id": "'),
        ("summary.json", "[1, 2]"),
        ("summary.json", '{"id": "ffffffffffff", "status": "done", "choices": {}}'),
        ("summary.json", ""),
        ("config.yaml", "a: [1"),
        ("config.yaml", "- 1\n"),
        ("config.yaml", "\x00"),
        ("config.yaml", None),
    ],
)
def test_a_damaged_folder_is_named_and_left_out(tmp_path, file, text):
    make_run(tmp_path / "study", {"depth": 1}, 0)
    bad = make_run(tmp_path / "study", {"depth": 2}, 0)
    (bad / file).unlink() if text is None else (bad / file).write_text(text)
    with pytest.raises(DamagedError):
        read_run_folder(bad)
    with pytest.warns(DamagedRunWarning, match=bad.name):
        runs = load_runs(tmp_path)
    assert runs["depth"].tolist() == [1]


def test_metrics_have_a_row_an_epoch_with_the_run(tmp_path):
    make_study(tmp_path, AXES, [0])
    curves = load_metrics(tmp_path)
    assert len(curves) == 4 * 13
    assert {"id", "study", "status", "seed", "activation", "optimizer.lr", "epoch", "train/loss"} <= set(curves)
    assert curves["epoch"].dtype == int
    assert curves["train/loss"].isna().sum() == 4


@pytest.mark.parametrize(("tail", "rows"), [("1,2", 13), ("13,130,0.001,1", 13), ("", 13)])
def test_a_torn_last_line_is_dropped(tmp_path, tail, rows):
    folder = make_run(tmp_path / "study", {"depth": 1}, 0, status="interrupted")
    with (folder / "metrics.csv").open("a") as file:
        file.write(tail)
    assert len(load_metrics(tmp_path)) == rows


def test_a_damaged_curve_is_named_and_left_out(tmp_path):
    make_run(tmp_path / "study", {"depth": 1}, 0)
    bad = make_run(tmp_path / "study", {"depth": 2}, 0)
    (bad / "metrics.csv").write_text("epoch,train/loss\n1,x\n")
    with pytest.warns(DamagedRunWarning, match=bad.name):
        assert load_metrics(tmp_path)["id"].nunique() == 1


def test_probes_keep_their_names_as_text(tmp_path):
    make_study(tmp_path, {"depth": [1, 2]}, [0], probes=True)
    probes = load_probes(tmp_path)
    assert len(probes) == 8
    assert set(probes["layer"]) == {"1.activation", "2.activation"}
    assert probes["value"].dtype == float


def test_what_an_older_version_measured_was_in_eval_mode(tmp_path):
    folder = make_study(tmp_path, {"depth": [1, 2]}, [0], probes=True)
    assert set(load_probes(tmp_path)["mode"]) == {"train"}
    columns = list(load_probes(tmp_path).columns)
    for place, run in enumerate(sorted(folder.glob("*-*"))):
        table = run / "probes.csv"
        table.write_text(table.read_text().replace(",mode", "").replace(",train", ""))
        assert load_probes(tmp_path)["mode"].value_counts().to_dict() == {"train": 4, "eval": 4} if place == 0 else {"eval": 8}
    assert list(load_probes(tmp_path).columns) == columns
    assert set(analyse(folder).probes["mode"]) == {"eval"}


def test_runs_csv_reads_back_as_it_was_written(tmp_path):
    make_study(tmp_path, AXES, status=lambda cell, seed: "failed" if seed == 1 else "done")
    runs = load_runs(tmp_path)
    write_runs(runs, tmp_path / "runs.csv")
    again = load_runs(tmp_path / "runs.csv")
    runs["folder"] = [text.rpartition("/")[2] for text in runs["folder"]]
    same = [frame.astype(object).where(frame.notna(), None) for frame in (runs, again)]
    pd.testing.assert_frame_equal(*same)


def test_a_folder_without_runs_is_searched_for_runs_csv(tmp_path):
    make_study(tmp_path / "outputs", AXES, [0])
    (tmp_path / "reference/made_up").mkdir(parents=True)
    write_runs(load_runs(tmp_path / "outputs"), tmp_path / "reference/made_up/runs.csv")
    assert len(load_runs(tmp_path / "reference")) == 4


def test_gzipped_tables_are_loaded_beside_plain_ones_and_a_damaged_one_is_left_out(tmp_path):
    make_study(tmp_path / "outputs", AXES, [0])
    runs = load_runs(tmp_path / "outputs")
    for name in ("plain", "packed", "damaged"):
        (tmp_path / "reference" / name).mkdir(parents=True)
        write_runs(runs, tmp_path / "reference" / name / "runs.csv")
    packed, damaged = tmp_path / "reference/packed/runs.csv", tmp_path / "reference/damaged/runs.csv"
    packed.with_name("runs.csv.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    damaged.write_text("id,study\n1\n")
    with pytest.warns(DamagedRunWarning, match="damaged"):
        found = load_runs(tmp_path / "reference")
    assert found["id"].tolist() == 2 * runs["id"].tolist()
    pd.testing.assert_frame_equal(found[:4], found[4:].reset_index(drop=True))
    pd.testing.assert_frame_equal(load_runs(packed.with_name("runs.csv.gz")), found[:4])
    with pytest.raises(DamagedError, match="not a table of runs"):
        load_runs(damaged)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "'x", "'=x", "plain", "1e5", "a,b\n"])
def test_a_spreadsheet_executes_no_text(tmp_path, text):
    path = tmp_path / "runs.csv"
    write_runs(pd.DataFrame({"id": ["0123456789e1"], "reason": [text], "x": [-1.5]}), path)
    cells = path.read_text().split("\n", 1)[1].split(",")
    assert not cells[1].lstrip('"').startswith(("=", "+", "-", "@", "\t"))
    assert cells[-1].strip() == "-1.5"
    assert load_runs(path).iloc[0].tolist() == ["0123456789e1", text, -1.5]


ARMS = [
    "007",
    "1_0",
    "nan",
    "inf",
    "1e3",
    "True",
    "",
    "'",
    "1",
    "-1",
    "+1",
    "0.10",
    "1e-05",
    " 1",
    "1 ",
    "None",
    "null",
    "x",
    "٣",
]


@pytest.mark.parametrize("column", ["arm", "activation", "id", "reason"])
def test_text_comes_back_as_text_and_numbers_as_numbers(tmp_path, column):
    numbers = [1, 0, -3, 0.1, 1e-5, 1e22, 1.0, float("inf"), -float("inf"), True, False, 10**18, 0.1 + 0.2, None]
    frame = pd.DataFrame({column: pd.Series(ARMS, dtype=object), "x": pd.Series((2 * numbers)[: len(ARMS)], dtype=object)})
    write_runs(frame, tmp_path / "runs.csv")
    again = read_runs(tmp_path / "runs.csv")
    assert [(type(value), value) for value in again[column].tolist()] == [(str, text) for text in ARMS]
    assert [(type(value), value) for value in again["x"].astype(object).tolist()] == [
        (type(value), value) for value in frame["x"].tolist()
    ]


@pytest.mark.parametrize(
    ("text", "leaves"),
    [
        ("a: 1\nb:\n- 1\n- x\n", {"a": 1, "b": "[1,x]"}),
        ("a:\n  b:\n    c: true\n  _target_: x\n  d: ${e}\n", {"a.b.c": True}),
        ("a: &id001\n- 1\nb: *id001\n", {"a": "[1]", "b": "[1]"}),
        ("a: {16: 4}\nb: {}\n", {"a.16": 4, "b": "{}"}),
        ("a: 'x\n\n  y'\nb: null\n", {"a": "x\ny", "b": None}),
    ],
)
def test_a_config_is_flat(text, leaves):
    assert read_config(text) == leaves


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_runs(tmp_path / "nowhere")


def test_importing_the_analysis_loads_no_torch():
    code = "import dlexp.analysis, sys; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
