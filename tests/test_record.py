import csv
import json
import math
import multiprocessing
import os

import pytest

from dlexp import record
from dlexp.errors import HeldError

CONFIG = {
    "seed": 0,
    "depth": 3,
    "epochs": 10,
    "max_steps": None,
    "output_dir": "outputs",
    "model": {"depth": 3, "width": 8, "widths": None},
    "dataset": {"root": "data"},
    "optimizer": {"lr": 0.1},
    "early_stopping": {"patience": None, "min_delta": 0.0},
    "hardware": {
        "loader": "resident",
        "num_workers": 2,
        "empty_cache_every": 0,
        "persistent_workers": True,
        "pin_memory": False,
        "non_blocking": False,
    },
}


def changed(path, value):
    config = json.loads(json.dumps(CONFIG))
    *parents, last = path.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 1),
        ("model.depth", 4),
        ("epochs", 11),
        ("max_steps", 5),
        ("optimizer.lr", 0.2),
        ("hardware.loader", "workers"),
        ("hardware.empty_cache_every", 5),
        ("test_flip", True),
    ],
)
def test_what_can_change_the_result_changes_the_id(path, value):
    assert record.run_id(changed(path, value)) != record.run_id(CONFIG)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("depth", 4),
        ("output_dir", "/tmp/elsewhere"),
        ("dataset.root", "other"),
        ("hardware.num_workers", 4),
        ("hardware.pin_memory", True),
        ("early_stopping.min_delta", 0.1),
        ("seed", 0.0),
    ],
)
def test_what_cannot_change_the_result_keeps_the_id(path, value):
    assert record.run_id(changed(path, value)) == record.run_id(CONFIG)


def test_what_workers_cost_is_a_result():
    two, four = changed("hardware.loader", "workers"), changed("hardware.loader", "workers")
    four["hardware"]["num_workers"] = 4
    assert record.run_id(two) != record.run_id(four)


def test_a_setting_that_is_off_keeps_the_ids_of_before_it_came():
    before = changed("seed", 0)
    del before["hardware"]["empty_cache_every"]
    assert record.run_id(before) == record.run_id(CONFIG)


def test_the_fingerprint_of_user_data_is_part_of_the_id():
    assert len({record.run_id(CONFIG), record.run_id(CONFIG, "a"), record.run_id(CONFIG, "b")}) == 3


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([], "default"),
        (["norm=gn", "depth=8"], "depth=8-norm=gn"),
        (["model.widths=[256,128]"], "model.widths=-256-128"),
        (["dataset.root=../../etc/x"], "dataset.root=..-..-etc-x"),
        (["a=" + "x" * 300], "a=" + "x" * 78),
    ],
)
def test_slug(differences, expected):
    assert record.slug(differences) == expected


def test_a_record_is_found_by_its_id_alone(tmp_path):
    (tmp_path / "some=slug-0123456789ab").mkdir()
    assert record.find(tmp_path, "0123456789ab") == tmp_path / "some=slug-0123456789ab"
    assert record.find(tmp_path, "ba9876543210") is None


def test_rows_keep_floats_to_the_last_digit(tmp_path):
    written = record.Record(tmp_path / "run", ["epoch", "loss", "acc"], {})
    written.row({"epoch": 1, "loss": 0.1 + 0.2})
    written.finish({"status": "done"})
    (row,) = csv.DictReader((tmp_path / "run" / "metrics.csv").open())
    assert float(row["loss"]) == 0.1 + 0.2
    assert row["acc"] == ""


def test_the_summary_comes_last_and_holds_no_nan(tmp_path):
    written = record.Record(tmp_path / "run", ["epoch"], {"config.yaml": "seed: 0\n", ".hydra/config.yaml": "x\n"})
    assert record.read_summary(tmp_path / "run") is None
    written.finish({"status": "diverged", "metrics": {"test/loss": math.nan}})
    summary = record.read_summary(tmp_path / "run")
    assert summary["metrics"] == {"test/loss": None}
    assert len(summary["code"]) == 64


def test_a_new_record_removes_what_an_earlier_start_left(tmp_path):
    record.Record(tmp_path / "run", ["epoch"], {"old.txt": "old"}).finish({"status": "failed"})
    record.Record(tmp_path / "run", ["epoch"], {})
    assert not (tmp_path / "run" / "old.txt").exists()
    assert record.read_summary(tmp_path / "run") is None


def hold_and_tell(shelf, ready, done):
    with record.hold(shelf, "abc"):
        ready.set()
        done.wait(20)
        os._exit(0)  # dies with the lock


def test_a_run_is_held_by_one_process_and_free_when_it_dies(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold_and_tell, args=(tmp_path, ready, done))
    process.start()
    assert ready.wait(20)
    with pytest.raises(HeldError, match=f"held by process {process.pid}"), record.hold(tmp_path, "abc"):
        pass
    done.set()
    process.join(20)
    with record.hold(tmp_path, "abc"):
        pass
