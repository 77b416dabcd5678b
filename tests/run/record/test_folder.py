import csv
import math
import multiprocessing
import os
import subprocess

import numpy as np
import pytest

from dlexp.contract import ProbeResult
from dlexp.errors import HeldError, MovedError
from dlexp.machine import notices
from dlexp.run.record import clear, lock, modules
from dlexp.run.record import folder as record
from dlexp.training.probing import Measurement


def test_rows_keep_floats_to_the_last_digit(tmp_path):
    written = record.Record(tmp_path / "run", ["epoch", "loss", "acc"], {}, {})
    written.row({"epoch": 1, "loss": 0.1 + 0.2})
    written.finish({"status": "done"})
    (row,) = csv.DictReader((tmp_path / "run" / "metrics.csv").open())
    assert float(row["loss"]) == 0.1 + 0.2
    assert row["acc"] == ""


def test_the_summary_comes_last_and_holds_no_nan(tmp_path):
    written = record.Record(
        tmp_path / "run", ["epoch"], {"config.yaml": "seed: 0\n", ".hydra/config.yaml": "x\n"}, {"a.py": "0"}
    )
    assert record.read_summary(tmp_path / "run") is None
    written.finish({"id": "0" * 12, "choices": {}, "status": "diverged", "metrics": {"test/loss": math.nan}, "seconds": {}})
    summary = record.read_summary(tmp_path / "run")
    assert summary["metrics"] == {"test/loss": None}
    assert (len(summary["code"]), summary["modules"]) == (64, {"a.py": "0"})


def measure_again(folder, header):
    """probes.csv of a run that had measured once, with this header, and goes on."""
    (folder / "probes.csv").write_text(f"{header}\n")
    written = record.Record(folder, ["epoch"], {}, {}, record.SavedFiles([], {"probes.csv": len(header) + 1}))
    written.measurement(1, Measurement("p", "eval", ProbeResult([("l", "norm", 0.5)], {})))
    written.close()
    return (folder / "probes.csv").read_text().splitlines()


def test_measurements_go_on_with_the_columns_with_which_they_began(tmp_path):
    begun = record.Record(tmp_path / "run", ["epoch"], {}, {})
    begun.measurement(0, Measurement("p", "train", ProbeResult([("l", "norm", 0.1 + 0.2)], {})))
    begun.close()
    header, row = (tmp_path / "run/probes.csv").read_text().splitlines()
    assert row == "0,p,train,l,norm,0.30000000000000004"
    assert measure_again(tmp_path / "run", header) == [header, "1,p,eval,l,norm,0.5"]
    older = "epoch,probe,layer,name,value"
    assert measure_again(tmp_path / "run", older) == [older, "1,p,l,norm,0.5"]


def test_a_new_record_removes_what_an_earlier_start_left(tmp_path):
    record.Record(tmp_path / "run", ["epoch"], {"old.txt": "old"}, {}).finish({"status": "failed"})
    record.Record(tmp_path / "run", ["epoch"], {}, {})
    assert not (tmp_path / "run" / "old.txt").exists()
    assert record.read_summary(tmp_path / "run") is None


def test_a_run_that_goes_on_removes_its_page_which_shows_an_earlier_state(tmp_path):
    begun = record.Record(tmp_path / "run", ["epoch"], {"config.yaml": "seed: 0\n"}, {})
    kept = record.SavedFiles([], begun.sync())
    begun.close()
    (tmp_path / "run" / clear.PAGE).write_text("interrupted")
    record.Record(tmp_path / "run", ["epoch"], {}, {}, kept).close()
    assert not (tmp_path / "run" / clear.PAGE).exists()
    assert (tmp_path / "run" / "config.yaml").exists()


def hold_and_tell(shelf, ready, done):
    with lock.hold(shelf, "abc"):
        ready.set()
        done.wait(20)
        os._exit(0)  # dies with the lock


def test_a_run_is_held_by_one_process_and_free_when_it_dies(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold_and_tell, args=(tmp_path, ready, done))
    process.start()
    assert ready.wait(20)
    with pytest.raises(HeldError, match=f"held by process {process.pid}"), lock.hold(tmp_path, "abc"):
        pass
    done.set()
    process.join(20)
    with lock.hold(tmp_path, "abc"):
        pass


@pytest.mark.parametrize(("place", "is_checkout"), [("dlexp", True), ("venv/lib/site-packages/dlexp", False)])
def test_the_commit_of_a_repository_around_an_installed_package_is_not_named(place, is_checkout, tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / place).mkdir(parents=True)
    monkeypatch.setattr(modules, "PACKAGE", tmp_path / place)
    assert modules.git_commit.__wrapped__() == (commit if is_checkout else None)


@pytest.mark.parametrize(
    ("path", "is_dirty"), [("dlexp/a.py", True), ("dlexp/new.py", True), ("conf/norm/bn.yaml", True), ("docs/a.md", False)]
)
def test_a_commit_that_is_not_the_code_is_called_dirty(path, is_dirty, tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for file in ("dlexp/a.py", "conf/norm/bn.yaml", "docs/a.md"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("1")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(modules, "PACKAGE", tmp_path / "dlexp")
    commit = modules.git_commit.__wrapped__()
    assert len(commit) == 40
    (tmp_path / path).write_text("2")
    assert modules.git_commit.__wrapped__() == (f"{commit}-dirty" if is_dirty else commit)


@pytest.mark.parametrize("hangs_at", ["rev-parse", "status"])
def test_a_git_that_hangs_is_named_and_no_commit_is_claimed(hangs_at, tmp_path, monkeypatch, capsys):
    git = tmp_path / "git"
    answer = f"printf '%s\\n{'e' * 40}\\n' {modules.PACKAGE.parent}"
    git.write_text(f'#!/bin/sh\ncase "$*" in *{hangs_at}*) exec sleep 60;; esac\n{answer}\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(modules, "GIT_SECONDS", 0.3)
    monkeypatch.setattr(notices, "_notified", set())
    assert modules.git_commit.__wrapped__() is None
    assert capsys.readouterr().err == "git has not answered within 0.3 s: summary.json names no commit.\n"


def test_a_folder_that_was_replaced_is_not_written_into(tmp_path):
    begun = record.Record(tmp_path / "run", ["epoch"], {"config.yaml": ""}, {})
    begun.row({"epoch": 0})
    (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "run").mkdir()
    for write in (
        lambda: begun.row({"epoch": 1}),
        begun.sync,
        lambda: begun.arrays("a", {}),
        lambda: begun.preprocessing("{}"),
    ):
        with pytest.raises(MovedError, match="run was removed, renamed or replaced while the run was executed"):
            write()
    with pytest.raises(MovedError):
        begun.finish({"status": "done"})
    assert list((tmp_path / "run").iterdir()) == []
    assert (tmp_path / "moved/metrics.csv").read_text().split() == ["epoch", "0"]
    assert not (tmp_path / "moved/summary.json").exists()


@pytest.mark.parametrize("name", ["metrics.csv", "config.yaml", "preprocessing.json", "arrays/a.npz", "probes.csv"])
def test_a_run_that_lacks_one_of_its_files_is_not_done(name, tmp_path):
    begun = record.Record(tmp_path / "run", ["epoch"], {"config.yaml": ""}, {})
    begun.measurement(1, Measurement("p", "eval", ProbeResult([("layer", "x", 1.0)], {})))
    begun.arrays("a", {"x": np.zeros(2)})
    begun.preprocessing("{}")
    (tmp_path / "run" / name).unlink()
    with pytest.raises(MovedError, match=f"{name.rpartition('/')[2]} was removed from .*run, renamed or replaced"):
        begun.finish({"status": "done"})
    assert not (tmp_path / "run/summary.json").exists()
