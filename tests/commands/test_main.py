"""What the command `dlexp` lists, loads and refuses."""

import importlib
import subprocess
import sys

import pytest

import dlexp
from dlexp.commands.main import COMMANDS, main
from tests import ROOT
from tests.processes import Command
from tests.runs import MOONS


def test_help_has_a_line_for_each_command_and_each_has_a_module(capsys):
    assert main([]) == 0
    listed = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert f"  dlexp {name} " in listed
        assert line in listed
        assert callable(importlib.import_module(f"dlexp.commands.{name}").main)
    assert max(map(len, listed.splitlines())) <= 100


def test_help_and_version_load_no_library():
    code = (
        "import sys; from dlexp.commands.main import main; main(['--help']); main(['--version']);"
        "print({'torch', 'hydra', 'omegaconf', 'yaml', 'numpy', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == [f"dlexp {dlexp.__version__}", "set()"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pln"], "pln: no such command. Did you mean plan? Commands: train, ablate,"),
        (["--lr=0.1"], "--lr=0.1: no such command. Settings and flags stand behind dlexp train. Commands: train,"),
        (["activation=relu"], "activation=relu: no such command. Did you mean dlexp train activation=relu?"),
        (["\x1b[2J"], "?[2J: no such command. Commands:"),
    ],
)
def test_an_unknown_command_is_refused_with_the_nearest(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_under_the_name_it_was_called_by(name, tmp_path):
    process = Command("-m", "dlexp", name, "--help", cwd=tmp_path)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert f"python -m dlexp {name}" in out
    assert "python train.py" not in out
    assert "scripts/" not in out
    assert list(tmp_path.iterdir()) == []


def test_scripts_are_the_same_commands():
    for name in ("train", "ablate", "plan", "predict", "export", "report", "reproduce", "doctor", "benchmark"):
        path = ROOT / ("train.py" if name == "train" else f"scripts/{name}.py")
        lines = path.read_text().splitlines()
        assert f'    start("{name}", entry="scripts")' in lines
        assert len(lines) < 15


def test_a_sweep_names_the_command_that_repeats_it(tmp_path):
    process = Command("-m", "dlexp", "train", "-m", *MOONS, "norm=none", "optimizer=sgd", "seed=0,1", cwd=tmp_path)
    assert process.communicate()[0].rstrip().endswith("2 runs: 2 done, 0 skipped, 0 failed, 0 held.")
    (manifest,) = tmp_path.glob("outputs/adhoc/sweeps/*/*.json")
    assert '"command": "python -m dlexp train -m dataset=moons' in manifest.read_text()
