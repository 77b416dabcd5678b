import json

import pytest
import torch

from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record import modules as modules_of_runs
from dlexp.run.record.modules import DIGITS, PACKAGE, WITHOUT_NUMBERS, combine, describe_other_code, find_modules
from tests.processes import Command
from tests.runs import IMAGES, MOONS, change_model, edit_summary, prepare, run

NEVER = (
    "analysis",
    "benchmark",
    "commands",
    "config",
    "doctor",
    "study",
    "run/record",
    "run/display",
    "run/setup/lab_modules",
    "run/plan",
    "run/execute",
)


def modules(*overrides, root):
    return set(prepare(*overrides, root=root).modules)


def test_a_run_names_its_own_parts_and_no_others(tmp_path):
    names = modules(*IMAGES, "norm=gn", "optimizer=muon", "probe=[dead_units]", root=tmp_path)
    used = {"model/convnet", "norm/gn", "dataset/synthetic_images", "optimizer/muon", "probe/dead_units", "probe/layers"}
    parts = {name for name in names if name.startswith("parts/")}
    assert parts == {
        f"parts/{name}.py" for name in used | {"augment/none", "average/none", "init/default", "scheduler/constant"}
    }
    assert {"run/trainer.py", "training/step.py", "data/split.py", "machine/precision.py", "contract.py"} <= names


@pytest.mark.parametrize("overrides", [(), ("dataset=mnist",), ("batch_size=auto",), ("hardware.tune=true",)])
def test_what_changes_no_number_is_left_out(overrides, tmp_path):
    names = modules(*overrides, root=tmp_path)
    assert [name for name in names if name.startswith(NEVER) or "__init__" in name] == []


@pytest.mark.parametrize(
    ("override", "module"), [("batch_size=auto", "run/setup/batch_size.py"), ("hardware.tune=true", "run/setup/tuning.py")]
)
def test_what_measures_a_setting_counts_where_it_is_measured(override, module, tmp_path):
    assert module in modules(override, root=tmp_path) - modules(root=tmp_path)


def test_every_exception_exists():
    paths = [PACKAGE.joinpath(*name.split(".")[1:]) for name in WITHOUT_NUMBERS]
    assert [path for path in paths if not (path.is_dir() or path.with_suffix(".py").exists())] == []


def test_the_summary_holds_the_modules_and_one_hash_over_them(tmp_path):
    planned, (summary, _) = prepare(*MOONS, root=tmp_path), run(*MOONS, root=tmp_path)
    assert summary["modules"] == planned.modules == find_modules(planned.config)
    assert summary["code"] == combine(planned.modules)
    assert "stale" not in (planned.folder / "config.yaml").read_text()


HERE = {"modules": {"a.py": "1", "b.py": "1"}, "versions": {"torch": "2"}}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({}, ""),
        ({"modules": {"a.py": "0", "b.py": "1"}}, "other code: a.py changed"),
        ({"modules": {"a.py": "1", "b.py": "1", "c.py": "1"}}, "other code: c.py changed"),
        ({"modules": {}}, "other code: a.py, b.py changed"),
        ({"modules": HERE["modules"] | dict.fromkeys("vwxyz", "1")}, "other code: v, w, x, 2 more changed"),
        ({"versions": {"torch": "1"}}, "torch 1"),
        ({"versions": {"torch": "1"}, "modules": {"a.py": "1"}}, "torch 1 and other code: b.py changed"),
        ({"modules": None, "code": "old"}, ""),
        ({"modules": "?", "versions": "?"}, ""),
    ],
)
def test_differences_from_the_present_code_are_named(edit, expected):
    assert describe_other_code(HERE | edit, HERE["modules"], "2") == expected


@pytest.fixture
def finished(tmp_path):
    """A finished run, and a function that gives it again under more settings."""
    run(*MOONS, root=tmp_path)
    return lambda *more: prepare(*MOONS, *more, root=tmp_path)


def test_a_stale_run_is_not_done_again_unless_asked(finished):
    edit_summary(finished().folder, change_model)
    stale = finished()
    assert stale.describe_other_code() == "done by other code: parts/model/mlp.py changed"
    assert not stale.must_run()
    assert finished("stale=rerun").must_run()
    assert (finished("stale=rerun").identity, finished("stale=rerun").label) == (stale.identity, stale.label)


def test_another_torch_makes_a_run_stale(finished):
    edit_summary(finished().folder, lambda summary: summary["versions"].update(torch="2.0"))
    assert finished().describe_other_code() == "done by torch 2.0"
    assert finished("stale=rerun").must_run()


@pytest.mark.parametrize("status", ["early_stopped", "diverged"])
def test_a_stale_run_is_named_with_its_status(status, finished):
    edit_summary(finished().folder, lambda summary: change_model(summary) or summary.update(status=status))
    assert finished().describe_other_code() == f"{status}, made by other code: parts/model/mlp.py changed"


def test_a_run_from_before_modules_were_recorded_is_not_stale(finished):
    edit_summary(finished().folder, lambda summary: summary.update(code="old") or summary.pop("modules"))
    assert finished().describe_other_code() == ""
    assert not finished("stale=rerun").must_run()


def test_a_failed_run_is_not_stale(finished):
    edit_summary(finished().folder, lambda summary: change_model(summary) or summary.update(status="failed"))
    assert finished().describe_other_code() == ""


def test_the_command_says_so_and_does_it_again(finished, tmp_path):
    edit_summary(finished().folder, lambda summary: change_model(summary) or summary.update(instructions="OTHER"))
    command = ("train.py", *MOONS, "hardware=cpu", f"output_dir={tmp_path}")
    outputs = []
    for more in ([], ["stale=rerun"], []):
        started = Command(*command, *more)
        outputs.append(started.communicate()[0])
    assert "done by other code: parts/model/mlp.py changed; stale=rerun does it again." in outputs[0]
    assert "done in another environment: instructions OTHER then, " in outputs[0]
    assert "now; force=true runs it again." in outputs[0]
    assert "epoch 2/2" in outputs[1]
    assert "done before; force=true runs it again." in outputs[2]
    assert json.loads((finished().folder / "summary.json").read_text())["versions"]["torch"] == torch.__version__


@pytest.fixture
def edit_and_commit(monkeypatch):
    """A process that has planned nothing yet, and a function that changes every module and the commit, as a user does."""
    caches = (modules_of_runs._hash_modules, modules_of_runs._hash_once, modules_of_runs.git_commit)

    def edit():
        monkeypatch.setattr(modules_of_runs, "hash_source", lambda _: "e" * 64)
        monkeypatch.setattr(modules_of_runs, "_ask_git", lambda *_: f"{PACKAGE.parent}\n{'e' * 40}")

    for cache in caches:
        cache.cache_clear()
    yield edit
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def test_a_run_names_the_code_of_its_planning_whatever_is_edited_and_committed_until_it_ends(edit_and_commit, tmp_path):
    commit = modules_of_runs.git_commit()
    modules_of_runs.git_commit.cache_clear()
    planned = [
        prepare(*MOONS, *more, root=tmp_path) for more in ((), ("norm=none",), ("batch_size=auto",), ("activation=tanh",))
    ]
    edit_and_commit()
    summaries = [execute(run, gather_facts(run), Plain()) for run in planned]
    assert "e" * DIGITS not in {digest for summary in summaries for digest in summary["modules"].values()}
    assert {summary["git_commit"] for summary in summaries} == {commit}
    assert all(summary["code"] == combine(summary["modules"]) for summary in summaries)
    assert "run/setup/batch_size.py" in summaries[2]["modules"]
    later = prepare(*MOONS, "optimizer=muon", root=tmp_path).modules  # this part nobody had imported
    edited = {name for name, digest in later.items() if digest == "e" * DIGITS}
    assert edited == {"parts/optimizer/muon.py", "parts/optimizer/__init__.py"}  # empty, but for this hash


def test_what_measures_settings_is_read_with_the_code_that_imports_it(edit_and_commit, tmp_path):
    prepare(*MOONS, root=tmp_path)
    edit_and_commit()
    assert "e" * DIGITS not in prepare(*MOONS, "batch_size=auto", "hardware.tune=true", root=tmp_path).modules.values()
