from types import SimpleNamespace

import pytest

from dlexp.config.check import compose_sweep
from dlexp.config.launcher import Launcher
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.study import launch
from dlexp.study.launch import check_launcher, find_due, make_tasks
from dlexp.study.request import compose_runs, read_command
from tests.runs import MOONS, only_last
from tests.study.test_jobs import STUDY

SPEEDS = {"metric": "train/seconds", "expected": "greater"}


def choose(**settings):
    return Launcher("ray", {"processes": 2, "gpus": 0, "folder": None} | settings)


def compose(*overrides):
    return compose_sweep(only_last((*MOONS, "hardware=cpu", "seed=0,1", *overrides)))


REFUSED = {
    "force=true": "force=true: each task would do again what another one has just done: set launcher.processes=1",
    "retry=failed": "retry=failed: each task would do again what another one has just done",
    "batch_size=auto": "launcher.processes=2: batch_size=auto measures free memory, which runs beside it use: give",
    "jobs=auto": "jobs=auto: would be one run a core of the whole machine in each task, because launcher=ray does not",
    "hardware.tune=true": "launcher.processes=2: hardware.tune=true measures times, which runs beside it change",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_what_several_tasks_cannot_do_is_refused(setting):
    cells = compose(setting)
    with pytest.raises(ConfigError) as refused:
        check_launcher(choose(), cells)
    assert REFUSED[setting] in str(refused.value)
    check_launcher(choose(processes=1), cells)


def test_slurm_keeps_tasks_to_their_own_cores():
    check_launcher(Launcher("submitit", {"processes": 2, "gpus": 0, "cluster": "slurm"}), compose("jobs=auto"))


def test_a_study_of_times_is_refused_for_several_tasks(tmp_path):
    path = tmp_path / "made_up.yaml"
    path.write_text(STUDY.format(**SPEEDS))
    study, request = read_command([f"study={path}", "hardware=cpu"])
    cells = compose_runs(study, request)
    with pytest.raises(
        ConfigError, match="launcher.processes=2: this study compares train/seconds, .*: set launcher.processes=1"
    ):
        check_launcher(choose(), cells, study)
    check_launcher(choose(processes=1), cells, study)


@pytest.mark.parametrize(
    ("hardware", "gpus", "here", "said"),
    [
        ("auto", 0, "cpu", ""),
        ("auto", 1, "cuda", ""),
        ("auto", 1, "cpu", "hardware=auto would mean other runs there than here: set hardware=cuda."),
        ("auto", 0, "cuda", "hardware=auto would mean other runs there than here: set hardware=cpu, or launcher.gpus=1."),
        ("cpu", 0.5, "cpu", "launcher.gpus=0.5: has no effect: no run of this sweep uses a GPU."),
        ("cuda", 0, "cpu", "hardware=cuda: the tasks have no GPU: set launcher.gpus=1."),
        ("cuda", 0.5, "cpu", ""),
        ("cpu,cuda", 1, "cpu", ""),
    ],
)
def test_the_tasks_have_a_gpu_if_the_runs_use_one(hardware, gpus, here, said, monkeypatch):
    monkeypatch.setattr(launch, "find_device", lambda name: SimpleNamespace(type=here))
    cells = compose(f"hardware={hardware}")
    if not said:
        check_launcher(choose(gpus=gpus), cells)
        return
    with pytest.raises(ConfigError) as refused:
        check_launcher(choose(gpus=gpus), cells)
    assert said in str(refused.value)


def test_what_only_the_tasks_can_check_counts_as_due(monkeypatch):
    def check(cells, study):
        raise UnsupportedError("precision=tf32: needs a GPU.")

    monkeypatch.setattr(launch, "check_cells", check)
    due = find_due(compose())
    assert (due.runs, due.total, due.unchecked, due.most) == (0, 0, ["precision=tf32: needs a GPU."] * 2, 2)


@pytest.mark.parametrize(("most", "number"), [(1, 1), (2, 2), (50, 2)])
def test_there_are_no_more_tasks_than_runs(most, number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tasks = make_tasks(choose(), ["dlexp"], tmp_path / "outputs" / "adhoc", most)
    assert tasks == (["dlexp"], str(tmp_path), tmp_path / "outputs" / "adhoc" / "launcher", number)
    assert make_tasks(choose(folder="logs"), ["dlexp"], tmp_path, most).logs == tmp_path / "logs"


def test_the_tasks_use_the_lab_of_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "current_lab", lambda: SimpleNamespace(conf=tmp_path / "conf"))
    named = f"--config-dir={tmp_path / 'conf'}"
    assert make_tasks(choose(), ["dlexp"], tmp_path, 1).command == ["dlexp", named]
    assert make_tasks(choose(), ["dlexp", named], tmp_path, 1).command == ["dlexp", named]
