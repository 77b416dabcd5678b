"""Runs that other processes hold: they are waited for, taken over, or left."""

import threading
from contextlib import contextmanager

import pytest

from dlexp.commands.train import main as train
from dlexp.config.check import compose_sweep
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record import lock
from dlexp.run.side_by_side import Messages
from dlexp.study import passes, row
from dlexp.study.sweep import check_cells, sweep
from tests.runs import MOONS, only_last, prepare


def complete(*overrides, root):
    """The exit code of a sweep."""
    command = only_last((*MOONS, "hardware=cpu", "epochs=1", "seed=0,1,2", *overrides, f"output_dir={root}"))
    return sweep(check_cells(compose_sweep(command)), "python train.py -m ...")


@contextmanager
def holding(root, seed, work):
    """Within this context another holder has the run of a seed, and does this work when the sweep waits for it."""
    run = prepare(*MOONS, "epochs=1", f"seed={seed}", root=root)
    may_end, has_begun = threading.Event(), threading.Event()

    def hold():
        with lock.hold(run.study_folder, run.identity):
            has_begun.set()
            assert may_end.wait(60)
        work(run)

    thread = threading.Thread(target=hold)
    thread.start()
    has_begun.wait(60)
    try:
        yield may_end
    finally:
        may_end.set()
        thread.join()


def train_run(run):
    execute(run, gather_facts(run), Messages())


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow(seconds=20))])
def test_a_run_that_cannot_be_locked_fails_and_is_not_waited_for(jobs, tmp_path, capsys):
    run = prepare(*MOONS, "epochs=1", "seed=1", root=tmp_path)
    locks = run.study_folder / ".locks"
    locks.mkdir(parents=True)
    (locks / f"{run.identity}.lock").symlink_to(tmp_path / "victim")
    assert complete(f"jobs={jobs}", root=tmp_path) == 1
    printed = capsys.readouterr().out
    assert "3 runs: 2 done, 0 skipped, 1 failed, 0 held." in printed
    assert "is a link, which is not followed. Remove it." in printed
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("work", "counts"), [(lambda run: None, "3 done, 0 skipped"), (train_run, "2 done, 1 skipped")], ids=["dies", "trains"]
)
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow(seconds=20))])
def test_a_sweep_waits_for_a_run_of_another_process(jobs, work, counts, tmp_path, monkeypatch, capsys):
    with holding(tmp_path, 1, work) as may_end:
        sleep = passes.sleep

        def let_it_end(seconds):
            may_end.set()
            sleep(0.01)
            while work is train_run and not list(tmp_path.glob("adhoc/seed=1*/summary.json")):
                sleep(0.01)

        monkeypatch.setattr(passes, "sleep", let_it_end)
        assert complete(f"jobs={jobs}", root=tmp_path) == 0
    out = capsys.readouterr().out
    assert f"3 runs: {counts}, 0 failed, 0 held." in out
    waits = [line for line in out.splitlines() if line.startswith("Waits for 1 run of other processes: Run ")]
    assert len(waits) == 1
    assert "is held by process" in waits[0]
    assert waits[0].endswith(". With wait=false the command ends here.")
    assert out.index("seed=2") < out.index("Waits")


def test_without_waiting_it_ends_with_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(passes, "sleep", None)
    with holding(tmp_path, 1, lambda run: None):
        assert complete("wait=false", root=tmp_path) == 0
    assert "3 runs: 2 done, 0 skipped, 0 failed, 1 held." in capsys.readouterr().out
    folder = next(tmp_path.glob("adhoc/*-*"))
    assert "wait:" not in (folder / "config.yaml").read_text()


@pytest.mark.parametrize("again", ["force=true", "retry=failed"])
def test_what_another_process_has_just_done_again_is_not_done_again(again, tmp_path, monkeypatch, capsys):
    complete(root=tmp_path)
    with holding(tmp_path, 1, lambda run: None) as may_end:
        monkeypatch.setattr(passes, "sleep", lambda seconds: may_end.set())
        assert complete(again, root=tmp_path) == 0
    done = 2 if again == "force=true" else 0
    assert f"3 runs: {done} done, {3 - done} skipped, 0 failed, 0 held." in capsys.readouterr().out


def test_a_run_that_is_held_is_passed_over_before_its_data_are_read(tmp_path, monkeypatch):
    run = prepare(*MOONS, root=tmp_path)
    monkeypatch.setattr(row, "gather_facts", None)
    with lock.hold(run.study_folder, run.identity):
        assert row.complete(run, Messages(), due=True)["outcome"] == "held"


def test_what_this_machine_lacks_is_a_row_if_another_machine_has_checked_it(tmp_path, monkeypatch, capsys):
    def refuse(run):
        raise UnsupportedError("precision=tf32: needs a GPU.")

    cells = check_cells(compose_sweep(only_last((*MOONS, "hardware=cpu", "epochs=1", "seed=0,1", f"output_dir={tmp_path}"))))
    monkeypatch.setattr(row, "gather_facts", refuse)
    assert sweep(cells, "python train.py -m ...") == 0
    out = capsys.readouterr().out
    assert "2 runs: 0 done, 0 skipped, 0 failed, 0 held, 2 not supported by this machine." in out
    assert "precision=tf32: needs a GPU." in out


def test_wait_is_one_setting_of_a_sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train([*MOONS, "wait=false"]) == 2
    err = capsys.readouterr().err
    assert "wait=false: says whether a sweep or a study waits for runs that other processes execute, and this is one run" in err
    with pytest.raises(ConfigError, match="wait=true,false: says how the whole sweep is run: give one value"):
        complete("wait=true,false", root=tmp_path)
