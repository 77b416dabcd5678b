import json
import re
import shutil
from resource import RUSAGE_SELF, getrusage
from statistics import median
from time import process_time

import pytest
import torch

from dlexp.commands.attempt import attempt
from dlexp.config.compose import compose
from dlexp.config.overrides import expand
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.run.record import lock
from dlexp.study import row, sweep
from dlexp.training.single_learner import SingleLearner
from tests.runs import MOONS, change_model, edit_summary, only_last, prepare, run, without_volatile


def complete(*overrides, root):
    """The exit code of a sweep."""
    command = only_last((*MOONS, "hardware=cpu", *overrides, f"output_dir={root}"))
    return sweep.sweep(sweep.check_cells([compose(cell) for cell in expand(command)]), "python train.py -m ...")


def folders(root):
    return sorted(path for path in (root / "adhoc").iterdir() if (path / "summary.json").exists())


def counts(capsys):
    return re.findall(r"^\d+ runs: .*", capsys.readouterr().out, flags=re.MULTILINE)[-1]


def test_each_combination_is_run_once(tmp_path, capsys):
    assert complete("norm=bn,gn", "seed=0,1,2", root=tmp_path) == 0
    assert len(folders(tmp_path)) == 6
    assert counts(capsys) == "6 runs: 6 done, 0 skipped, 0 failed, 0 held."


def test_a_superset_trains_only_what_is_new(tmp_path, capsys):
    complete("seed=0,1", root=tmp_path)
    before = {path: (path / "summary.json").stat().st_mtime_ns for path in folders(tmp_path)}
    capsys.readouterr()
    complete("seed=0,1,2", root=tmp_path)
    assert counts(capsys) == "3 runs: 1 done, 2 skipped, 0 failed, 0 held."
    assert {path: (path / "summary.json").stat().st_mtime_ns for path in before} == before


def test_a_run_is_the_same_alone_and_as_a_cell(tmp_path):
    alone = run(*MOONS, "norm=ln", root=tmp_path / "alone")
    complete("norm=bn,ln", "activation=relu,tanh", root=tmp_path / "sweep")
    cell = prepare(*MOONS, "norm=ln", root=tmp_path / "sweep")
    summary = without_volatile(cell.read_summary())
    assert [summary[name] for name in ("metrics", "modules", "code")] == [
        alone[0][name] for name in ("metrics", "modules", "code")
    ]


@pytest.mark.slow
def test_the_last_of_3000_runs_take_no_more_time_and_memory_than_the_first(tmp_path, monkeypatch):
    seconds, peaks = [], []
    original = row.execute

    def measure(*given):
        began = process_time()
        summary = original(*given)
        seconds.append(process_time() - began)
        peaks.append(getrusage(RUSAGE_SELF).ru_maxrss)  # in KiB
        return summary

    monkeypatch.setattr(row, "execute", measure)
    assert complete("seed=range(0,3000)", root=tmp_path) == 0
    assert len(seconds) == 3000
    assert peaks[-1] - peaks[599] < 50 * 2**10
    assert median(seconds[2400:]) < 1.25 * median(seconds[:600])


def test_two_cells_that_are_one_run_are_run_once(tmp_path, capsys):
    complete("optimizer.weight_decay=1,1.0", root=tmp_path)
    assert counts(capsys) == "1 runs: 1 done, 0 skipped, 0 failed, 0 held."


def test_a_bad_cell_refuses_the_whole_sweep_before_anything_is_made(tmp_path):
    with pytest.raises(ConfigError) as refused:
        complete("norm=bn,in", "batch_size=16,31", root=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(refused.value.problems) == 3  # bn at 31, and in at both sizes
    assert all("of 4 runs" in problem for problem in refused.value.problems)


def test_a_failing_run_does_not_stop_the_rest(tmp_path, monkeypatch, capsys):
    original = SingleLearner.step

    def step(self, inputs, targets):
        if len(inputs) == 20:
            raise RuntimeError("no twenty")
        original(self, inputs, targets)

    with monkeypatch.context() as patch:
        patch.setattr(SingleLearner, "step", step)
        assert complete("batch_size=16,20,30", root=tmp_path) == 1
    out = capsys.readouterr().out
    assert "3 runs: 2 done, 0 skipped, 1 failed, 0 held." in out
    assert "RuntimeError: no twenty" in out
    assert out.rstrip().endswith("Retry what failed: python train.py -m ... retry=failed")
    assert complete("batch_size=16,20,30", root=tmp_path) == 1  # failed before, and not retried
    assert complete("batch_size=16,20,30", "retry=failed", root=tmp_path) == 0


def test_what_another_process_holds_is_passed_over(tmp_path, capsys):
    held = prepare(*MOONS, "seed=1", root=tmp_path)
    with lock.hold(held.study_folder, held.identity):
        assert complete("seed=0,1", "wait=false", root=tmp_path) == 0
    assert counts(capsys) == "2 runs: 1 done, 0 skipped, 0 failed, 1 held."
    complete("seed=0,1", root=tmp_path)
    assert counts(capsys) == "2 runs: 1 done, 1 skipped, 0 failed, 0 held."


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_what_the_machine_lacks_is_left_out_and_counted(tmp_path, capsys):
    assert complete("precision=fp32,tf32", root=tmp_path) == 0
    assert counts(capsys) == "2 runs: 1 done, 0 skipped, 0 failed, 0 held, 1 not supported by this machine."
    with pytest.raises(UnsupportedError, match="precision=tf32"):
        complete("precision=tf32", "seed=0,1", root=tmp_path)


def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    original = SingleLearner.step

    def step(self, inputs, targets):
        if len(inputs) == 20:
            raise KeyboardInterrupt
        original(self, inputs, targets)

    monkeypatch.setattr(SingleLearner, "step", step)
    with pytest.raises(KeyboardInterrupt):
        complete("batch_size=16,20,30", root=tmp_path)
    monkeypatch.undo()
    assert counts(capsys) == "3 runs: 1 done, 0 skipped, 0 failed, 0 held, 2 not reached."
    assert complete("batch_size=16,20,30", root=tmp_path) == 0
    assert counts(capsys) == "3 runs: 2 done, 1 skipped, 0 failed, 0 held."


def test_the_manifest_lists_every_run(tmp_path):
    complete("seed=0,1", root=tmp_path)
    (manifest,) = (tmp_path / "adhoc" / "sweeps").glob("*/*")
    content = json.loads(manifest.read_text())
    assert {entry["id"] for entry in content["runs"]} == {path.name[-12:] for path in folders(tmp_path)}
    assert content["counts"] == {"done": 2}
    complete("seed=0,1", root=tmp_path)
    assert list((tmp_path / "adhoc" / "sweeps").glob("*/*")) == [manifest]


def test_the_table_shows_swept_keys_test_metric_and_time(tmp_path, capsys):
    complete("norm=bn,gn", "seed=0,1", root=tmp_path)
    header = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("norm"))
    assert header.split() == ["norm", "seed", "test/acc", "test/loss", "seconds", "status"]


def test_stale_runs_are_skipped_and_named(tmp_path, capsys):
    complete("seed=0,1,2", root=tmp_path)
    for path in folders(tmp_path)[:2]:
        edit_summary(path, change_model)
    capsys.readouterr()
    complete("seed=0,1,2", root=tmp_path)
    out = capsys.readouterr().out
    assert (out.count("  done by other code"), out.count("  done before")) == (2, 1)
    assert "2 runs done by other code: parts/model/mlp.py changed; stale=rerun does them again.\n" in out
    complete("seed=0,1,2", "stale=rerun", root=tmp_path)
    assert counts(capsys) == "3 runs: 2 done, 1 skipped, 0 failed, 0 held."


def test_runs_of_another_environment_are_skipped_and_named(tmp_path, capsys):
    complete("seed=0,1", root=tmp_path)
    for path in folders(tmp_path):
        edit_summary(path, lambda summary: summary.update(instructions="OTHER"))
    edit_summary(folders(tmp_path)[0], change_model)
    capsys.readouterr()
    complete("seed=0,1", "stale=rerun", root=tmp_path)
    out = capsys.readouterr().out
    assert (out.count("  done in another environment\n"), out.count("done by other code")) == (1, 0)
    assert "1 run done in another environment: instructions OTHER then, " in out
    assert " now; force=true runs it again.\n" in out
    assert "2 runs: 1 done, 1 skipped, 0 failed, 0 held." in out


def test_a_lost_folder_is_run_again(tmp_path, capsys):
    complete("seed=0,1", root=tmp_path)
    shutil.rmtree(folders(tmp_path)[0])
    complete("seed=0,1", root=tmp_path)
    assert counts(capsys) == "2 runs: 1 done, 1 skipped, 0 failed, 0 held."


def test_with_force_an_interrupted_sweep_goes_on_after_what_it_has_finished(tmp_path, capsys, monkeypatch):
    command = ("seed=0,1,2", "force=true")
    complete(*command, root=tmp_path)
    execute, started = row.execute, []

    def stop_at_the_third(planned, facts, display):
        started.append(planned.config["seed"])
        if len(started) == 3:
            raise KeyboardInterrupt
        return execute(planned, facts, display)

    monkeypatch.setattr(row, "execute", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        complete(*command, root=tmp_path)
    assert started == [0, 1, 2]
    assert complete(*command, root=tmp_path) == 0
    assert started == [0, 1, 2, 2]
    assert counts(capsys) == "3 runs: 1 done, 2 skipped, 0 failed, 0 held."
    complete(*command, root=tmp_path)  # the last start was not interrupted: everything is run again
    assert started == [0, 1, 2, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python train.py -m seed=0,1 force=true", "python train.py -m seed=0,1 retry=failed"),
        ("dlexp train retry=failed -m seed=0,1 stale=rerun", "dlexp train -m seed=0,1 retry=failed"),
        ("dlexp train -m 'model.widths=[8, 4],[9]'", "dlexp train -m 'model.widths=[8, 4],[9]' retry=failed"),
        (
            "dlexp train study=loss --config-dir 'my lab/conf' 'output_dir=\"$HOME\"'",
            "dlexp train study=loss --config-dir 'my lab/conf' 'output_dir=\"$HOME\"' retry=failed",
        ),
    ],
)
def test_the_advice_to_retry_is_a_command_that_runs_only_what_failed(command, expected):
    assert sweep.write_retry(command) == expected


def at_step(number, work, monkeypatch):
    """Do something before this training step, counted over all runs."""
    step, done = SingleLearner.step, []

    def counted(self, *batch):
        done.append(None)
        if len(done) == number:
            work()
        return step(self, *batch)

    monkeypatch.setattr(SingleLearner, "step", counted)


@pytest.mark.parametrize("what", ["adhoc", "adhoc/*-*", "adhoc/.locks", "adhoc/*-*/metrics.csv"])
@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_a_run_whose_folder_is_moved_is_a_failed_row_and_the_sweep_goes_on(how, what, tmp_path, monkeypatch, capsys):
    def move():
        (found,) = tmp_path.glob(what)
        moved = found.rename(tmp_path / "moved")
        if how == "removed":
            shutil.rmtree(moved) if moved.is_dir() else moved.unlink()

    at_step(3, move, monkeypatch)
    assert complete("seed=0,1", "epochs=2", root=tmp_path) == 1
    out = capsys.readouterr().out
    assert "2 runs: 1 done, 0 skipped, 1 failed, 0 held." in out
    assert re.search(r"moved.*(was removed|removed from).*while the run was executed", " ".join(out.split()))
    assert len(folders(tmp_path)) == 1
    assert not list((tmp_path / "moved").rglob("summary.json"))
    assert complete("seed=0,1", "epochs=2", root=tmp_path) == 0
    assert counts(capsys) == "2 runs: 1 done, 1 skipped, 0 failed, 0 held."


def test_a_single_run_whose_folder_is_moved_ends_with_5(tmp_path, monkeypatch, capsys):
    at_step(3, lambda: (tmp_path / "adhoc").rename(tmp_path / "moved"), monkeypatch)
    assert attempt(lambda: run(*MOONS, root=tmp_path) and 0) == 5
    assert re.search("/adhoc/.*(was removed|renamed).* while the run was executed", capsys.readouterr().err)


DAMAGES = {
    "config.yaml is missing": lambda folder: (folder / "config.yaml").unlink(),
    "config.yaml is a folder": lambda folder: replace_by_folder(folder / "config.yaml"),
    "metrics.csv is a folder": lambda folder: replace_by_folder(folder / "metrics.csv"),
    "train.log is a folder": lambda folder: replace_by_folder(folder / "train.log"),
    "probes.csv is a folder": lambda folder: replace_by_folder(folder / "probes.csv"),
    "report.html is a folder": lambda folder: replace_by_folder(folder / "report.html"),
    "the older state is a folder": lambda folder: replace_by_folder(min(folder.glob("checkpoints/step-*.pt"))),
    "the newer state is a folder": lambda folder: replace_by_folder(max(folder.glob("checkpoints/step-*.pt"))),
    "a later state is a folder": lambda folder: replace_by_folder(folder / "checkpoints/step-000000006.pt"),
}


def replace_by_folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "x").write_text("x")


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The folder of one interrupted run, below adhoc/."""
    root = tmp_path_factory.mktemp("interrupted")

    def interrupt():
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        at_step(6, interrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            complete("seed=0", "epochs=2", "checkpoint_every=0", root=root)
    return root


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_interrupted_run_with_a_damaged_file_goes_on_or_is_a_damaged_row(damage, interrupted, tmp_path, capsys):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / "adhoc").glob("*-*")
    DAMAGES[damage](folder)
    refused = damage.startswith("config.yaml")
    assert complete("seed=0,1", "epochs=2", "checkpoint_every=0", root=tmp_path) == refused
    out = capsys.readouterr().out
    assert f"2 runs: {1 if refused else 2} done, 0 skipped, {int(refused)} failed, 0 held." in out
    assert ("config.yaml cannot be read" in out and "force=true starts the run over" in out) == refused
    assert complete("seed=0,1", "epochs=2", "force=true", root=tmp_path) == 0
