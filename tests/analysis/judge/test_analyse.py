import gzip
import json
import math

import pandas as pd
import pytest

from dlexp.analysis import DamagedRunWarning, aggregate, analyse, load_runs, write_runs
from dlexp.analysis.judge.planned import analyse_curve
from tests.analysis.made import make_run, make_study

AXES = {"activation": ["relu", "sigmoid"], "depth": [1, 8]}
CLAIM = {"claim": "relu", "plus": {"activation": "relu"}, "minus": {"activation": "sigmoid"}, "expected": "greater"}


def better(cell, seed):
    return 0.6 + 0.01 * seed + (0.2 + 0.001 * seed if cell["activation"] == "relu" else 0)


def test_a_study_is_aggregated_and_judged(tmp_path):
    result = analyse(make_study(tmp_path, AXES, accuracy=better, predictions=[CLAIM], probes=True))
    assert (result.keys, len(result.runs), len(result.curves), len(result.probes)) == (["activation", "depth"], 20, 260, 80)
    assert result.cells["n"].tolist() == [5] * 4
    assert result.cells["mean"].tolist() == pytest.approx([0.822, 0.822, 0.62, 0.62])
    assert result.cells["noise"].iloc[0] == pytest.approx(math.sqrt(0.822 * 0.178 / 400))
    assert result.cells["rank"].tolist() == [1.5, 1.5, 3.5, 3.5]
    assert [verdict.verdict for verdict in result.verdicts] == ["holds"]
    assert result.codes == ["c" * 64]
    assert result.other.empty


def test_statuses_of_runs_are_counted(tmp_path):
    states = ["done", "diverged", "failed", "oom", "interrupted", "missing", "done"]
    folder = make_study(
        tmp_path,
        {"depth": [1]},
        range(7),
        status=lambda cell, seed: states[seed],
        accuracy=lambda cell, seed: None if seed == 6 else 0.5,
    )
    result = analyse(folder)
    counts = result.cells[["n", "diverged", "failed", "missing", "unusable"]].iloc[0]
    assert counts.tolist() == [1, 1, 2, 2, 2]
    assert result.runs["status"].tolist() == states
    assert result.runs["epochs"].tolist() == [12, 12, 12, 12, 12, None, 12]
    assert result.runs["diagnosis"].notna().tolist() == [True, True, False, False, False, False, True]


def test_a_run_at_chance_has_no_convergence_epoch(tmp_path):
    runs = analyse(make_study(tmp_path, {"depth": [1]}, [0, 1], accuracy=lambda cell, seed: [0.1, 0.9][seed])).runs
    assert runs["diagnosis"].eq("at chance").tolist() == [True, False]
    assert runs["convergence_epoch"].notna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("accuracy", "diagnosis", "epoch"),
    [
        ([0.6, 0.63, 0.5, 0.4, 0.3, 0.22, 0.2, 0.2], "collapsed", None),  # 95 % of the best at epoch 1
        ([0.14, 0.1, 0.12, 0.14, 0.13, 0.13, 0.13, 0.13], "overshoot", None),  # 95 % of the best too
        ([0.3, 0.5, 0.55, 0.6, 0.62, 0.62, 0.62, 0.62], "overshoot", 4),
    ],
)
def test_a_run_that_collapsed_or_did_not_leave_chance_has_no_convergence_epoch(accuracy, diagnosis, epoch):
    columns = {f"{split}/{name}": accuracy for split in ("train", "val") for name in ("loss", "acc")}  # a loss that rises too
    curve = pd.DataFrame({"epoch": range(1, 9), **columns})
    found = analyse_curve(curve, {"status": "done", "chance": 0.1, "num_test_examples": 10_000})
    assert (found["diagnosis"], found["convergence_epoch"]) == (diagnosis, epoch)


def test_a_damaged_run_is_missing_and_says_why(tmp_path):
    folder = make_study(tmp_path, {"depth": [1]}, [0, 1], status=lambda cell, seed: ["done", "damaged"][seed])
    with pytest.warns(DamagedRunWarning):
        runs = analyse(folder).runs
    assert runs["status"].tolist() == ["done", "missing"]
    assert "is damaged" in runs["reason"].iloc[1]


def test_runs_of_another_protocol_enter_no_mean(tmp_path):
    folder = make_study(tmp_path, AXES, accuracy=better)
    before = analyse(folder).cells
    make_run(folder, {"activation": "relu", "depth": 1}, 0, accuracy=0.0, epochs=1)
    make_run(folder, {"activation": "gelu", "depth": 1}, 3, accuracy=0.0)
    result = analyse(folder)
    pd.testing.assert_frame_equal(result.cells, before)
    assert sorted(result.other["differs"]) == ["activation=gelu (not relu)", "epochs=1 (not 12)"]


def test_a_changed_protocol_reads_the_runs_beside_it(tmp_path):
    folder = make_study(tmp_path, AXES, changes=["precision=bf16"])
    assert folder.name == "with-precision=bf16"
    assert analyse(folder).cells["n"].sum() == 20


def test_published_numbers_stand_beside_the_cells(tmp_path):
    values = [{"activation": "relu", "depth": 8, "value": 0.37, "sd": 0.02, "n": 5}, {"activation": "sigmoid", "value": 0.2}]
    cells = analyse(make_study(tmp_path, AXES, reference={"source": "x", "values": values})).cells
    assert cells["reference"].tolist() == pytest.approx([math.nan, 0.37, 0.2, 0.2], nan_ok=True)
    assert cells["reference_n"].tolist() == pytest.approx([math.nan, 5, math.nan, math.nan], nan_ok=True)


def test_values_of_cells_stay_what_they_are(tmp_path):
    axes = {"batch_size": [2, "full"], "grad_clip": [None, 0.1], "model.widths": [[8, 4]], "drop_last": [True, False]}
    cells = analyse(make_study(tmp_path, axes, [0, 1], reference={"values": [{"model.widths": [8, 4], "value": 1}]})).cells
    assert cells["n"].tolist() == [2] * 8
    assert cells["batch_size"].tolist() == [2] * 4 + ["full"] * 4
    assert cells["model.widths"].tolist() == ["[8,4]"] * 8
    assert cells["reference"].tolist() == [1.0] * 8


def test_cells_one_by_one_need_not_share_their_keys(tmp_path):
    folder = make_study(tmp_path, {"arm": ["plain", "deep"]}, [0, 1])
    path = folder / "protocol.json"
    protocol = json.loads(path.read_text())
    for run in protocol["runs"]:
        run["cell"] |= {"depth": 8} if run["cell"]["arm"] == "deep" else {}
    path.write_text(json.dumps(protocol))
    result = analyse(folder)
    assert result.keys == ["arm", "depth"]
    assert result.cells["depth"].tolist() == [None, 8]
    assert result.cells["n"].tolist() == [2, 2]


@pytest.mark.parametrize("status", ["missing", "interrupted", "failed"])
def test_a_study_without_a_finished_run_has_tables_all_the_same(tmp_path, status):
    result = analyse(make_study(tmp_path, AXES, status=lambda cell, seed: status, predictions=[CLAIM]))
    assert result.cells["n"].tolist() == [0] * 4
    cause = "ranks" if status == "failed" else "no_runs"  # a run that failed is one that did not learn
    assert (result.verdicts[0].verdict, result.verdicts[0].cause) == ("undecided", cause)
    assert {"id", "epoch"} <= set(result.curves)
    assert {"probe", "value"} <= set(result.probes)
    assert "diagnosis" in result.runs


@pytest.mark.parametrize("packed", [False, True])
def test_committed_runs_csv_is_analysed_where_run_folders_are_not(tmp_path, packed):
    folder = make_study(tmp_path / "outputs", AXES, accuracy=better, predictions=[CLAIM])
    here = analyse(folder)
    there = tmp_path / "reference/made_up"
    there.mkdir(parents=True)
    write_runs(here.runs, there / "runs.csv")
    if packed:
        (there / "runs.csv.gz").write_bytes(gzip.compress((there / "runs.csv").read_bytes()))
        (there / "runs.csv").unlink()
    (there / "protocol.json").write_bytes((folder / "protocol.json").read_bytes())
    again = analyse(there)
    pd.testing.assert_frame_equal(again.cells, here.cells)
    assert again.verdicts == here.verdicts
    assert again.runs["diagnosis"].tolist() == here.runs["diagnosis"].tolist()


def test_any_runs_can_be_aggregated(tmp_path):
    make_study(tmp_path, AXES, accuracy=better)
    cells = aggregate(load_runs(tmp_path), ["activation"], "test/loss")
    assert cells.set_index("activation")["n"].to_dict() == {"relu": 10, "sigmoid": 10}
    assert cells["noise"].isna().all()


@pytest.mark.parametrize("text", ["", "[]", '{"study": {}}', '{"study": {"name": "x"}, "runs": [{"id": "a"}]}'])
def test_an_unreadable_protocol_is_named(tmp_path, text):
    (tmp_path / "protocol.json").write_text(text)
    with pytest.raises(ValueError, match=r"protocol\.json"):
        analyse(tmp_path)
