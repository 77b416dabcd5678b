"""Several processes at one sweep: their manifests, what they may not do together, and whole sweeps that they share."""

import json
import os
import re

import pytest

from dlexp.config.check import compose_sweep
from dlexp.errors import ConfigError
from dlexp.machine import locks
from dlexp.run.execute import gather_facts
from dlexp.run.record.layout import find_run_folders
from dlexp.run.record.verify import verify_tree
from dlexp.run.side_by_side import Messages
from dlexp.study import sweep as sweeps
from dlexp.study.request import compose_runs, read_command
from dlexp.study.run import run_study
from dlexp.study.sharing import locate_sweep, read_check, sign_code, taking_part, write_json
from dlexp.study.sweep import check_cells, sweep
from tests import ROOT
from tests.parallel_sweeps import has_saved, read_holders, wait_until
from tests.processes import Command
from tests.reliability.downloads import fork
from tests.runs import MOONS, only_last

STUDY = """
question: Does it learn faster?
background: Made for a test.
base: {dataset: moons, dataset.num_examples: 60, model: mlp, model.widths: [4], epochs: 1}
axes: {optimizer.lr: [0.1, 0.01]}
seeds: [0]
predictions: []
"""
CONTENT = {"command": "dlexp train -m ...", "runs": []}


def list_command(*overrides, root):
    return only_last((*MOONS, "hardware=cpu", "epochs=1", "seed=0,1", *overrides, f"output_dir={root}"))


def plan_runs(root, *overrides):
    return check_cells(compose_sweep(list_command(*overrides, root=root))).runs


def in_another_process(work):
    """Whether this work of another process returns true."""
    child = fork(lambda: os._exit(0 if work() else 3))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_each_process_has_a_manifest_and_the_last_one_knows_it(tmp_path):
    runs = plan_runs(tmp_path)
    with taking_part(runs, CONTENT) as first:
        with taking_part(runs, CONTENT) as second:
            assert in_another_process(lambda: "pid" in json.loads(second.manifest.read_text()))
            with taking_part(runs, CONTENT) as third:
                pass
        assert not second.is_last
    assert not third.is_last
    assert first.is_last
    manifests = [part.manifest for part in (first, second, third)]
    assert manifests == [locate_sweep(runs) / f"{number}.json" for number in (1, 2, 3)]
    assert re.fullmatch(r"[0-9a-f]{12}", locate_sweep(runs).name)
    assert list(find_run_folders(tmp_path)) == []
    assert {found.path for found in verify_tree(tmp_path) if not found.problems and found.summed} == {*manifests}
    with taking_part(runs, CONTENT) as again:
        assert again.manifest == manifests[0]


@pytest.mark.parametrize("again", ["force=true", "retry=failed"])
def test_doing_runs_again_is_refused_while_another_process_is_at_the_sweep(again, tmp_path):
    runs = plan_runs(tmp_path)
    with taking_part(runs, CONTENT):
        written = sorted(tmp_path.rglob("*"))
        with pytest.raises(ConfigError) as refused:
            sweep(check_cells(compose_sweep(list_command(again, root=tmp_path))), "dlexp train -m ...")
        assert f"{again}: process {os.getpid()} on " in str(refused.value)
        assert f"Leave {again} out to share the runs" in str(refused.value)
        assert sorted(tmp_path.rglob("*")) == written
    assert sweep(check_cells(compose_sweep(list_command(again, root=tmp_path))), "dlexp train -m ...") == 0


def test_a_process_that_is_killed_is_not_at_the_sweep(tmp_path):
    runs = plan_runs(tmp_path)

    def take_part_and_die():
        with taking_part(runs, CONTENT):
            os._exit(0)

    assert in_another_process(take_part_and_die)
    with taking_part(plan_runs(tmp_path, "force=true"), CONTENT) as part:
        pass
    assert part.is_last


def test_data_and_model_are_checked_by_the_first_of_the_processes_at_a_sweep(tmp_path, monkeypatch):
    cells = compose_sweep(list_command(root=tmp_path))
    first = check_cells(cells)
    checked = []
    monkeypatch.setattr(sweeps, "gather_facts", lambda run: checked.append(run) or gather_facts(run))
    note = {"code": sign_code(first.runs), "metrics": sorted(first.metrics), "work": first.work}
    with taking_part(first.runs, {**CONTENT, "check": note}):
        assert check_cells(cells) == first
        assert checked == []
        check_cells(compose_sweep(list_command("seed=0,1,2", root=tmp_path)))  # another sweep
        assert len(checked) == 3
    check_cells(cells)  # nobody is at it any more
    assert len(checked) == 5
    with taking_part(first.runs, {**CONTENT, "check": {**note, "code": "0" * 64}}):
        assert read_check(first.runs) is None  # by other code


def test_a_bad_cell_is_refused_although_another_process_is_at_the_sweep(tmp_path):
    with taking_part(plan_runs(tmp_path), CONTENT), pytest.raises(ConfigError, match="model=convnet needs images"):
        check_cells(compose_sweep(list_command("model=mlp,convnet", root=tmp_path)))


def test_the_report_of_a_study_is_left_to_the_process_that_ends_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_up.yaml").write_text(STUDY)
    study, request = read_command(["study=made_up.yaml", "hardware=cpu", "display=none"])
    cells = check_cells(compose_runs(study, request), study.name)
    with taking_part(cells.runs, CONTENT):
        ended = run_study(study, request, cells, "dlexp train study=made_up.yaml", lambda num_runs: Messages())
    assert (ended.code, ended.report.exists()) == (0, False)
    assert "another process is at the same study. The one that ends last writes the report." in ended.not_replaced
    ended = run_study(study, request, cells, "dlexp train study=made_up.yaml", lambda num_runs: Messages())
    assert (ended.code, ended.report.exists(), ended.not_replaced) == (0, True, "")


def test_a_manifest_of_an_older_version_is_read_and_replaced(tmp_path, capsys):
    sweep(check_cells(compose_sweep(list_command(root=tmp_path))), "dlexp train -m ...")
    runs = plan_runs(tmp_path)
    old = locate_sweep(runs).with_suffix(".json")
    (locate_sweep(runs) / "1.json").unlink()
    write_json(old, {**CONTENT, "finished": [runs[0].identity]})
    assert sweep(check_cells(compose_sweep(list_command("force=true", root=tmp_path))), "dlexp train -m ...") == 0
    out = capsys.readouterr().out
    assert "force=true: goes on after the 1 runs that the interrupted start finished." in out
    assert not old.exists()
    assert "finished" not in json.loads((locate_sweep(runs) / "1.json").read_text())


def test_without_locks_each_process_believes_that_it_is_alone(tmp_path, monkeypatch):
    runs = plan_runs(tmp_path)
    monkeypatch.setattr(locks, "_lock", lambda descriptor: "No locks available")
    with taking_part(runs, CONTENT) as first, taking_part(plan_runs(tmp_path, "force=true"), CONTENT) as second:
        pass
    assert first.is_last
    assert second.is_last


def start(root, *overrides):
    return Command(str(ROOT / "train.py"), "-m", *list_command(*overrides, root=root), cwd=root.parent)


def count_done(out):
    """Runs in all, done here, and done by others."""
    return tuple(
        int(number) for number in re.search(r"(\d+) runs: (\d+) done, (\d+) skipped, 0 failed, 0 held\.", out).groups()
    )


def test_processes_with_one_command_share_its_runs_and_each_reports_all(tmp_path):
    root = tmp_path / "outputs"
    commands = [start(root, "seed=range(0,8)", "epochs=20") for _ in range(2)]
    printed = [command.communicate() for command in commands]
    assert [command.returncode for command in commands] == [0, 0], printed
    counted = [count_done(out) for out, _ in printed]
    assert [total for total, _, _ in counted] == [8, 8]
    assert sum(done for _, done, _ in counted) == 8
    assert [done + skipped for _, done, skipped in counted] == [8, 8]
    (folder,) = root.glob("adhoc/sweeps/*")
    manifests = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    assert {manifest["pid"] for manifest in manifests} <= {command.pid for command in commands}
    assert sum(manifest["counts"].get("done", 0) for manifest in manifests) == 8 or len(manifests) == 1


@pytest.mark.slow(seconds=60)
def test_the_run_of_a_process_that_is_killed_is_done_by_another(tmp_path):
    root = tmp_path / "outputs"
    given = ("seed=0,1", "epochs=2000", "checkpoint_every=0.1")
    commands = [start(root, *given) for _ in range(2)]
    wait_until(lambda: len(read_holders(root)) == 2 and all(has_saved(root, identity) for identity in read_holders(root)))
    commands[0].process.kill()
    out, err = commands[1].communicate(200)
    assert count_done(out) == (2, 2, 0), err
    assert len(list(root.glob("adhoc/*/summary.json"))) == 2
