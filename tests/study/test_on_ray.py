"""Tasks of Ray."""

import os
import signal
from pathlib import Path

import pytest

from dlexp.config.launcher import GROUP, Launcher
from dlexp.config.options import option_keys
from dlexp.errors import ConfigError
from dlexp.study.on_ray import connected
from tests.parallel_sweeps import SAVING, has_saved, read_files, read_holders, run_sweep, wait_until
from tests.processes import Command
from tests.runs import only_last

TASKS = ("launcher=ray", "launcher.processes=2", "launcher.cpus=0.5")


def choose(**settings):
    defaults = {key.partition(".")[2]: value for key, value in option_keys(GROUP, "ray").items()}
    return Launcher("ray", defaults | settings)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("head", "an address is host:port, ray://host:port or auto."),
        ("ray://head", "an address is host:port, ray://host:port or auto."),
        ("127.0.0.1:1", ".*refused"),
        ("ray://127.0.0.1:1", ".*refused"),
    ],
)
def test_an_address_at_which_nothing_answers_is_refused_at_once(address, why):
    pytest.importorskip("ray")
    with (
        pytest.raises(ConfigError, match=f"launcher.address={address}: Ray cannot be reached: {why}"),
        connected(choose(address=address)),
    ):
        pass


@pytest.fixture(autouse=True)
def _without_token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray writes one into the home folder


def start(root, *overrides):
    overrides = only_last((*SAVING, *overrides, f"output_dir={root}"))
    return Command("train.py", "-m", *overrides, *TASKS, environment={"RAY_AUTH_MODE": "disabled"})


def wait_for_a_saved_state(root):
    """The process of a run that has saved a state."""
    found = []

    def find():
        found[:] = [pid for identity, pid in read_holders(root).items() if has_saved(root, identity)]
        return found

    wait_until(find)
    return found[0]


def find_parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def read_logs(root):
    return "".join(path.read_text() for path in (root / "adhoc" / "launcher").glob("*.log"))


@pytest.mark.slow(seconds=90)
def test_a_task_that_is_killed_goes_on_and_all_leave_what_one_process_leaves(tmp_path):
    pytest.importorskip("ray", reason="launcher=ray needs the package ray")
    root, sweep = tmp_path / "tasks", ("epochs=40", "seed=0,1,2,3")
    command = start(root, *sweep)
    os.kill(find_parent(wait_for_a_saved_state(root)), signal.SIGKILL)
    out, err = command.communicate(200)
    assert (command.returncode, out.splitlines()[0]) == (0, "4 of 4 runs are due."), err
    assert "All tasks have ended. Without launcher=ray the command reports the runs." in out
    assert "Goes on from step-" in read_logs(root)
    assert run_sweep(*sweep, root=tmp_path / "serial") == 0
    assert read_files(root) == read_files(tmp_path / "serial")


@pytest.mark.slow(seconds=60)
def test_a_command_that_is_interrupted_ends_its_tasks_with_their_states_saved(tmp_path):
    pytest.importorskip("ray", reason="launcher=ray needs the package ray")
    command = start(tmp_path, "epochs=2000", "seed=0,1")
    holder = wait_for_a_saved_state(tmp_path)
    os.kill(command.pid, signal.SIGINT)
    _, err = command.communicate()
    assert (command.returncode, "Interrupted. The same command goes on." in err) == (75, True)
    assert not Path(f"/proc/{holder}").exists()
    assert read_holders(tmp_path) == {}
    assert "not reached" in read_logs(tmp_path)


@pytest.mark.slow(seconds=30)
def test_what_this_machine_lacks_is_refused(tmp_path):
    pytest.importorskip("ray", reason="launcher=ray needs the package ray")
    with (
        pytest.raises(ConfigError, match=r"launcher.cpus=4000: must be at most \d+, which is what Ray finds"),
        connected(choose(cpus=4000)),
    ):
        pass
