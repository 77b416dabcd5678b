"""Tasks that submitit starts: what SLURM is told of them, and a whole sweep with processes of this machine."""

import os
import signal
from pathlib import Path

import pytest

from dlexp.config.launcher import GROUP, Launcher
from dlexp.config.options import option_keys
from dlexp.errors import ConfigError
from dlexp.study.launch import Tasks
from dlexp.study.on_submitit import list_parameters, submit
from tests.parallel_sweeps import SAVING, has_saved, read_files, read_holders, run_sweep, wait_until
from tests.runs import only_last

# Another value for each key that is a parameter of SLURM, and what it becomes; the rest is below and in test_launch.py.
PARAMETERS = {
    "minutes": (240, {"time": 240}),
    "signal": (30, {"signal_delay_s": 30}),
    "partition": ("gpu", {"partition": "gpu"}),
    "account": ("vision", {"account": "vision"}),
    "qos": ("high", {"qos": "high"}),
    "constraint": ("a100", {"constraint": "a100"}),
    "cpus": (8, {"cpus_per_task": 8}),
    "memory": (1.5, {"mem": "1536M"}),
    "gpus": (2, {"gpus_per_node": 2}),
}
ELSEWHERE = {"cluster", "processes", "requeues", "folder"}


def choose(**settings):
    defaults = {key.partition(".")[2]: value for key, value in option_keys(GROUP, "submitit").items()}
    return Launcher("submitit", defaults | settings)


def test_every_key_is_a_parameter_or_tested_elsewhere():
    assert PARAMETERS.keys() | ELSEWHERE == choose().settings.keys()


@pytest.mark.parametrize("key", PARAMETERS)
def test_the_settings_are_parameters_of_slurm(key):
    value, told = PARAMETERS[key]
    default = {"job_name": "dlexp", "time": 60, "signal_delay_s": 90, "additional_parameters": {"requeue": True}}
    assert list_parameters(choose()) == default
    assert list_parameters(choose(**{key: value})) == default | told


def test_processes_of_this_machine_have_a_limit():
    told = list_parameters(choose(cluster="local", minutes=2, signal=20, gpus=1))
    assert told == {"timeout_min": 2, "signal_delay_s": 20, "gpus_per_node": 1}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder that gets the file of each submission, on a machine with the commands of SLURM."""
    pytest.importorskip("submitit")
    taken = tmp_path / "taken"
    taken.mkdir()
    for name in ("srun", "sbatch"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\n[ -e {taken}/refuses ] && echo no such partition >&2 && exit 1\ncp "$1" {taken}/$$.sh\n')
        path.open("a").write("echo Submitted batch job 1234\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return taken


def test_the_tasks_are_an_array_that_is_requeued(slurm, tmp_path):
    from submitit.core.utils import DelayedSubmission

    tasks = Tasks(["dlexp", "train", "-m", "seed=0,1"], str(tmp_path), tmp_path / "logs", 3)
    submitted = submit(choose(requeues=7, partition="gpu"), tasks)
    assert submitted == ("job 1234", "1234_*_log.out", "scancel 1234")
    (file,) = slurm.glob("*.sh")
    lines = file.read_text().splitlines()
    for line in ("--array=0-2%3", "--partition=gpu", "--requeue", "--signal=USR2@90", "--time=60", "--open-mode=append"):
        assert f"#SBATCH {line}" in lines
    for number in range(3):
        delayed = DelayedSubmission.load(tasks.logs / f"1234_{number}_submitted.pkl")
        assert (delayed.function.command, delayed.function.folder) == (tasks.command, tasks.folder)
        assert delayed._timeout_countdown == 7


def test_a_job_that_slurm_refuses_is_a_mistake_of_the_command(slurm, tmp_path):
    (slurm / "refuses").touch()
    with pytest.raises(ConfigError, match="launcher=submitit: SLURM refuses the job: .*no such partition"):
        submit(choose(), Tasks(["dlexp"], str(tmp_path), tmp_path / "logs", 2))


def test_a_machine_without_slurm_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"launcher.cluster=slurm: this machine has no sbatch and srun: .*cluster=local"):
        submit(choose(), Tasks(["dlexp"], str(tmp_path), tmp_path / "logs", 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow(seconds=120)
def test_tasks_that_reach_their_limit_go_on_and_leave_what_one_process_leaves(tmp_path, capsys):
    pytest.importorskip("submitit", reason="launcher=submitit needs the package submitit")
    from dlexp.commands.train import main as train

    command, root = ("epochs=10", "seed=0,1,2,3"), tmp_path / "tasks"
    given = ["launcher=submitit", "launcher.cluster=local", "launcher.processes=2", "launcher.minutes=1", "launcher.signal=35"]
    assert train(["-m", *only_last((*SAVING, *command, f"output_dir={root}")), *given]) == 0
    assert "4 of 4 runs are due.\nSubmitted: processes " in capsys.readouterr().out
    stopped = []

    def find_one_that_has_saved():
        stopped[:] = [pid for identity, pid in read_holders(root).items() if has_saved(root, identity)]
        return stopped

    wait_until(find_one_that_has_saved)
    os.kill(stopped[0], signal.SIGSTOP)  # so that its task reaches the limit, however fast the machine is
    logs = root / "adhoc" / "launcher"
    wait_until(lambda: "Caught signal SIGUSR2" in _read(logs))
    os.kill(stopped[0], signal.SIGCONT)
    wait_until(lambda: len([*logs.glob("*_result.pkl")]) == 2)
    assert "Requeued job" in _read(logs)
    assert "Goes on from step-" in _read(logs)
    assert run_sweep(*command, root=tmp_path / "serial") == 0
    assert read_files(root) == read_files(tmp_path / "serial")


def _read(logs: Path) -> str:
    return "".join(path.read_text() for path in logs.glob("*_log.*"))
