"""The wheel as its user has it: installed where no checkout is seen, started in an empty folder. .ci/run installs it."""

import json
import os
import subprocess

import pytest

import dlexp
from dlexp.config.options import groups
from tests import ROOT
from tests.runs import MOONS

pytestmark = pytest.mark.wheel


@pytest.fixture
def start(wheel_command, tmp_path):
    """Run a program of the wheel's environment in an empty folder, without the variables that lead Python elsewhere."""

    def run(*arguments, program="dlexp"):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        command = [wheel_command.with_name(program), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_dlexp_and_its_conf_are_the_installed_ones_and_no_checkout_is_on_the_path(start, wheel_command):
    program = (
        "import dlexp, hydra_plugins.dlexp.sweeper as sweeper, json, sys; from dlexp.config.options import CONF;"
        "print(json.dumps([dlexp.__file__, sweeper.__file__, str(CONF), sys.path]))"
    )
    *files, path = json.loads(start("-c", program, program="python").stdout)
    assert all(file.startswith(str(wheel_command.parents[1])) for file in files), files
    assert str(ROOT) not in path


def test_version_and_help(start):
    assert start("--version").stdout == f"dlexp {dlexp.__version__}\n"
    assert start("-m", "dlexp", "--version", program="python").stdout == f"dlexp {dlexp.__version__}\n"
    done = start("train", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(groups()) <= set(done.stdout.split())


def test_a_run_and_a_sweep_are_trained_in_the_current_folder(start, tmp_path):
    done = start("train", *MOONS, "hardware=cpu")
    assert (done.returncode, done.stderr) == (0, "")
    (summary,) = tmp_path.glob("outputs/adhoc/*/summary.json")
    assert json.loads(summary.read_text())["git_commit"] is None
    done = start("train", "-m", *MOONS, "hardware=cpu", "seed=0,1")
    assert done.stdout.rstrip().endswith("2 runs: 1 done, 1 skipped, 0 failed, 0 held."), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_python_and_the_commands_find_each_others_runs(start, tmp_path):
    arguments = ", ".join(repr(text) for text in (*MOONS, "hardware=cpu"))
    program = f"import dlexp; run = dlexp.train({arguments}); print(run.id, run.status); run.report()"
    done = start("-c", program, program="python")
    identity, status = done.stdout.split()
    assert (status, done.stderr) == ("done", "")
    (tmp_path / "new.csv").write_text("0.5,0.25\n-1,0\n")
    predicted = start("predict", identity, "new.csv", "--format", "csv")
    assert (predicted.returncode, predicted.stderr) == (0, "")
    assert predicted.stdout.startswith("input,class,probability\nnew.csv:0,")
    assert start("export", "weights", identity, "--output", "model").returncode == 0
    load = "from load import load; import torch; print(load('.')(torch.zeros(2, 2)).shape)"
    program = f"import os, sys; os.chdir('model'); sys.path.insert(0, '.'); {load}; print('dlexp' in sys.modules)"
    assert start("-c", program, program="python").stdout == "torch.Size([2, 2])\nFalse\n"


def test_a_study_is_planned_trained_and_reported_twice(start, tmp_path):
    command = (
        "study=activation_2d",
        "seed=0",
        "data_seed=0",
        "epochs=2",
        "activation=relu,sigmoid",
        "dataset=moons",
        "hardware=cpu",
    )
    assert "2 runs of 2 cells: 2 to do." in start("plan", *command).stdout
    done = start("train", *command)
    assert done.returncode == 0, done.stderr
    assert "2 runs of 2 cells: 2 done." in start("plan", *command).stdout
    (protocol,) = tmp_path.glob("outputs/activation_2d/**/protocol.json")
    assert json.loads(protocol.read_text())["command"] == f"dlexp train {' '.join(command)}"
    page = protocol.with_name("report.html")
    page.unlink()
    done = start("report", str(protocol.parent))
    assert (done.returncode, done.stderr) == (0, "")
    assert page.exists()


def test_the_other_commands_need_no_checkout_either(start, tmp_path):
    assert start("preview", *MOONS).returncode == 0
    assert start("doctor", *MOONS, "hardware=cpu").returncode == 0
    assert start("benchmark", "--list").returncode == 0
    done = start("reproduce", "activation_2d", "norm=bm")
    assert (done.returncode, done.stdout) == (2, "")
    assert "norm=bm: no such option." in done.stderr
