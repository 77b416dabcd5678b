import pytest

from dlexp import sweep as call_sweep
from dlexp import train as call_train
from dlexp.analysis.judge.costs import COSTS
from dlexp.commands.reproduce import main as reproduce
from dlexp.commands.train import main as train
from dlexp.config.check import compose_sweep
from dlexp.errors import ConfigError
from dlexp.study import jobs
from dlexp.study.jobs import Jobs, check_jobs
from dlexp.study.metrics import METRICS, is_measured
from dlexp.study.request import compose_runs, read_command
from tests.runs import MOONS

STUDY = """
question: Is it faster?
background: Made for a test.
base: {{dataset: moons, model: mlp, model.widths: [4], epochs: 1}}
axes: {{optimizer.lr: [0.1, 0.01]}}
metric: {metric}
seeds: [0, 1]
predictions:
  - claim: Made up
    plus: {{optimizer.lr: 0.1}}
    minus: {{optimizer.lr: 0.01}}
    expected: {expected}
"""

REFUSED = {
    ("jobs=1,2",): "jobs=1,2: says how the whole sweep is run: give one value, such as jobs=2.",
    ("jobs=auto", "jobs_per_gpu=1,2"): "jobs_per_gpu=1,2: says how the whole sweep is run",
    ("jobs_per_gpu=2",): "jobs_per_gpu=2: counts runs for jobs=auto, and jobs is 1: give one of the two.",
    ("jobs=3", "jobs_per_gpu=2"): "and jobs is 3: give one of the two.",
    ("jobs=2", "batch_size=auto"): "jobs=2: batch_size=auto measures free memory, which runs beside it use",
    ("jobs=auto", "batch_size=8,auto"): "jobs=auto: batch_size=auto measures free memory",
    ("jobs=2", "hardware.tune=true"): "jobs=2: hardware.tune=true measures times, which runs beside it change",
    ("jobs=0",): "jobs: must be an integer from 1 to 1024, or one of auto, got 0.",
    ("jobs=two",): "jobs: must be an integer from 1 to 1024, or one of auto, got 'two'.",
    ("jobs=auto", "jobs_per_gpu=0"): "jobs_per_gpu: must be an integer from 1 to 64, or null, got 0.",
}


@pytest.mark.parametrize("given", REFUSED)
def test_a_sweep_that_cannot_run_several_at_a_time_is_refused(given):
    command = [text for text in MOONS if text.partition("=")[0] not in {one.partition("=")[0] for one in given}]
    with pytest.raises(ConfigError) as refused:
        check_jobs(compose_sweep([*command, "seed=0,1", *given]))
    assert REFUSED[given] in str(refused.value)


@pytest.mark.parametrize("given", [(), ("jobs=1",), ("jobs=2",), ("jobs=auto",), ("jobs=auto", "jobs_per_gpu=3")])
def test_other_sweeps_are_accepted(given):
    check_jobs(compose_sweep([*MOONS, "seed=0,1", *given]))
    if given[:1] in [(), ("jobs=1",)]:
        check_jobs(compose_sweep([*MOONS, "seed=0,1", "hardware.tune=true", *given]))


@pytest.mark.parametrize(
    ("given", "named"), [("jobs=2", "jobs=2"), ("jobs=auto", "jobs=auto"), ("jobs_per_gpu=2", "jobs_per_gpu=2")]
)
def test_a_single_run_refuses_them(given, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train([*MOONS, given]) == 2
    expected = (
        f"{named}: says how many runs of a sweep or of a study are trained at the same time, and this is one run: leave it out."
    )
    assert expected in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("metric", "is_refused"),
    [("test/acc", False), ("best/epoch", False), ("train/seconds", True), ("seconds.train", True), ("memory.process", True)],
)
def test_a_study_of_times_or_memory_is_refused(metric, is_refused, tmp_path):
    path = tmp_path / "made_up.yaml"
    path.write_text(STUDY.format(metric=metric, expected="greater"))
    study, request = read_command([f"study={path}"])
    assert len(compose_runs(study, request)) == 4
    study, request = read_command([f"study={path}", "jobs=2"])
    if is_refused:
        with pytest.raises(ConfigError, match=f"jobs=2: this study compares {metric}, which runs beside it change"):
            compose_runs(study, request)
    else:
        assert {run.config["jobs"] for run in compose_runs(study, request)} == {2}
    path.write_text(STUDY.format(metric="test/acc", expected=f"greater\n    metric: {metric}"))
    study, request = read_command([f"study={path}", "jobs=2"])
    if is_refused:
        with pytest.raises(ConfigError, match="set jobs=1"):
            compose_runs(study, request)


def test_every_cost_is_a_measured_metric():
    assert [name for name in COSTS if not is_measured(name)] == []
    assert sorted({name for name in METRICS if is_measured(name)} - COSTS.keys()) == sorted(
        ["seconds", *(name for name in METRICS if name.startswith("seconds."))]
    )


@pytest.mark.parametrize(
    ("setting", "cores", "threads", "gpus", "due", "expected"),
    [
        (Jobs(3), 2, [1], [], 9, 3),
        (Jobs(3), 2, [1], [], 2, 2),
        (Jobs("auto"), 8, [1, 1], [], 99, 8),
        (Jobs("auto"), 8, [1, 3], [], 99, 2),
        (Jobs("auto"), 1.5, [1], [], 99, 1),
        (Jobs("auto"), 2, [4], [], 99, 1),
        (Jobs("auto"), 2, [1], ["0", "1", "2"], 99, 3),
        (Jobs("auto", 2), 2, [1], ["0", "1", "2"], 99, 6),
        (Jobs("auto"), 8, [], [], 0, 1),
    ],
)
def test_the_number_of_runs_at_a_time(setting, cores, threads, gpus, due, expected, monkeypatch):
    monkeypatch.setattr(jobs, "count_cores", lambda: cores)
    assert setting.choose_count(threads, gpus, due) == expected


STARTS = {
    "a run": lambda: train([*MOONS]),
    "a sweep": lambda: train(["-m", *MOONS, "seed=0,1"]),
    "a study": lambda: train(["study=topology"]),
    "studies": lambda: reproduce(["topology"]),
}


@pytest.mark.parametrize("what", STARTS)
def test_a_command_of_torchrun_is_refused(what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert STARTS[what]() == 2
    err = capsys.readouterr().err
    assert err.startswith("WORLD_SIZE=4: torchrun, or another launcher, has started this command in 4 processes")
    assert "jobs=4 in a sweep or a study, or by the same command in several terminals" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", [call_train, call_sweep])
def test_a_call_in_a_process_of_torchrun_is_refused(call, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="WORLD_SIZE=2: torchrun"):
        call(seed=[0, 1])


@pytest.mark.parametrize("size", ["", "1", "01", "many", "²"])
def test_a_process_that_is_alone_is_accepted(size, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", size)
    jobs.check_process_group()


def test_torchrun_may_ask_for_help_and_for_a_config(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert train(["--help"]) == 0
    assert train(["--cfg", "job", "--package", "seed"]) == 0
