"""The command as it is typed, in processes of its own; most of them are forks of one that has loaded torch."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dlexp.machine.process import NEW_OBJECTS
from tests import ROOT
from tests.processes import Command
from tests.runs import MOONS, without_volatile

TRAIN = ROOT / "train.py"
LONG = ("dataset=moons", "model=mlp", "epochs=100000")


def start(*arguments, cwd):
    return Command(str(TRAIN), *arguments, cwd=cwd)


def train(*arguments, cwd):
    """Exit code, standard output and standard error."""
    process = start(*arguments, cwd=cwd)
    out, err = process.communicate()
    return process.returncode, out, err


def train_in_a_fresh_process(*arguments, cwd):
    """The same, of a process that begins with nothing loaded."""
    done = subprocess.run([sys.executable, str(TRAIN), *arguments], cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_help(tmp_path):
    code, out, err = train_in_a_fresh_process("--help", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "python train.py activation=relu depth=8" in out
    assert "python scripts/plan.py lists them" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("-m seed=5,6 --cfg job --package seed", "# The first of 2 runs.\n5\n"),
        ("norm=gn -m --cfg job seed=5,6 --package norm.groups --resolve", "# The first of 2 runs.\n8\n"),
        ("hydra.mode=MULTIRUN seed=5,6 --cfg job --package seed", "# The first of 2 runs.\n5\n"),
        ("seed=5 --cfg job --package seed", "5\n"),
    ],
)
def test_the_config_of_a_command_is_shown(arguments, expected, tmp_path):
    assert train(*arguments.split(), cwd=tmp_path) == (0, expected, "")


def test_flags_may_stand_between_the_settings_of_a_sweep(tmp_path):
    code, out, err = train(*MOONS, "-m", "seed=0,1", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "2 runs: 2 done" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["norm=bm"], "norm=bm: no such option. Options: bn, gn, in, ln, none, rms. Did you mean bn?"),
        (["lr=0.1"], "lr=0.1: no such key. Did you mean optimizer.lr=0.1?"),
        (["depth=-1"], "depth: must be an integer from 0 to 1000, got -1."),
        (["-m", "depth=1,-1"], "depth: must be an integer from 0 to 1000, got -1."),
        (["depth=${width}", "width=${depth}"], "depth: must be an integer from 0 to 1000, got '${width}'."),
        (["-m", "seed=0,1", "depth=${depth}"], "depth: must be an integer from 0 to 1000, got '${depth}'."),
        (["--cfg", "job", "--resolve", "depth=${width}", "width=${depth}"], "--resolve: depth refers to itself."),
        (["--cfg", "job", "--version"], "--cfg: prints a config, and another flag prints something else"),
        (["--config-dir", "/tmp"], "--config-dir: expected the folder conf/ of a lab, got /tmp."),
        (["dataset=moons"], "model=convnet needs images"),
        (["+hydra.callbacks.x._target_=os.system"], "_target_ is not for a command to set"),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(arguments, message, tmp_path):
    code, out, err = train(*arguments, cwd=tmp_path)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_show_the_config(tmp_path):
    code, out, _ = train("norm=gn", "depth=8", "--cfg", "job", "--resolve", cwd=tmp_path)
    assert code == 0
    assert "depth: 8" in out
    assert "_target_: dlexp.parts.norm.gn.gn" in out


def test_a_run_a_second_time_and_once_more(tmp_path):
    code, out, err = train_in_a_fresh_process(*MOONS, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert len([line for line in out.splitlines() if line.startswith("epoch")]) == 3
    assert "done  test/loss" in out
    code, out, _ = train(*MOONS, cwd=tmp_path)
    assert code == 0
    assert "done before; force=true runs it again." in out
    assert len(list((tmp_path / "outputs" / "adhoc").glob("*/summary.json"))) == 1


def test_a_single_diverged_run_ends_with_6(tmp_path):
    assert train(*MOONS, "norm=none", "optimizer=sgd", "optimizer.lr=1e30", cwd=tmp_path)[0] == 6


def test_data_that_cannot_be_had_ends_with_7(tmp_path):
    code, _, err = train("dataset=mnist", cwd=tmp_path)
    if code == 0:
        pytest.skip("this machine can download MNIST")
    assert code == 7
    assert "These need no download: dataset=circles, csv_table, digits, " in err


def test_a_sweep(tmp_path):
    together = ("optimizer.lr=log(1e-3,0.1,3)", "zip=[norm,optimizer.lr]", "exclude=[{norm: ln}]", "skip=without_effect")
    axes = ("norm=bn,gn,ln", "hydra.sweeper.params.seed='0,1'")
    code, out, err = train("-m", *MOONS, *axes, *together, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert out.rstrip().endswith("4 runs: 4 done, 0 skipped, 0 failed, 0 held.")
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


@pytest.mark.parametrize(
    ("typed", "completed"), [("exc", "exclude="), ("norm=", "norm=bn norm=gn norm=in norm=ln norm=none norm=rms")]
)
def test_a_shell_completes_keys_and_options(typed, completed):
    process = Command(str(TRAIN), "-sc", "query=bash", environment={"COMP_LINE": f"python train.py {typed}"})
    assert process.communicate() == (f"{completed}\n", "")
    assert process.returncode == 0


def test_two_sweeps_started_together_share_the_work(tmp_path):
    command = ("-m", *MOONS, "seed=0,1,2,3", "epochs=20")
    processes = [start(*(text for text in command if text != "epochs=2"), cwd=tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(list((tmp_path / "outputs" / "adhoc").glob("*/summary.json"))) == 4
    done = [int(out.splitlines()[-1].split(": ")[1].split()[0]) for out in outputs]
    skipped = [int(out.splitlines()[-1].split(", ")[1].split()[0]) for out in outputs]
    assert sum(done) == 4, outputs
    assert sum(skipped) <= 4


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_75_and_no_other_process_can_start_it_before(number, tmp_path):
    process = start(*LONG, cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("outputs/adhoc/*/metrics.csv")))
    code, _, err = train(*LONG, cwd=tmp_path)
    assert code == 3
    assert f"is held by process {process.pid}" in err
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 75
    assert "The same command goes on" in err
    assert not list(tmp_path.glob("outputs/adhoc/*/summary.json"))


def test_nothing_around_a_run_makes_a_difference(tmp_path, monkeypatch):
    """R40: the place, the hash seed, the language and the time zone; nights try more of them."""
    metrics = []
    for place, seed, language, zone in (("a", "1", "C", "UTC"), ("b b", "2", "tr_TR.UTF-8", "Pacific/Apia")):
        for name, value in (("PYTHONHASHSEED", seed), ("LC_ALL", language), ("TZ", zone)):
            monkeypatch.setenv(name, value)
        (tmp_path / place).mkdir()
        assert train_in_a_fresh_process(*MOONS, cwd=tmp_path / place)[0] == 0
        (summary,) = (tmp_path / place).glob("outputs/adhoc/*/summary.json")
        metrics.append((summary.parent.name, without_volatile(json.loads(summary.read_text())["metrics"])))
    assert metrics[0] == metrics[1]


NO_TORCH = {
    "--help": 0,
    "--cfg job": 0,
    "norm=bm": 2,
    "depth=-1": 2,
    "-m depth=1,-1": 2,
    "study=nosuch": 2,
    "study=depth_activation norm=bm": 2,
    "study=depth_activation activation=rely": 2,
    "study=depth_activation width=1,2": 2,
    "study=depth_activation dropot=0.1": 2,
    "study=depth_activation epochs=0": 2,
    "study=depth_activation norm=[": 2,
}


@pytest.mark.parametrize(("command", "status"), NO_TORCH.items())
def test_help_and_a_refusal_load_no_torch(command, status):
    code = (
        f"import sys; from dlexp.commands.train import main; status = main({command.split()!r});"
        "print('torch' in sys.modules, status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TRAIN.parent, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["False", str(status)]


def test_the_process_ends_after_the_exit_handlers_and_is_not_taken_apart():
    code = (
        "import atexit, gc, runpy, sys\n"
        "from dlexp.run import signals\n"
        "signals.listen = lambda: atexit.register(print, 'a handler of the command', gc.get_threshold()[0])\n"
        "class Part:\n"
        "    def __del__(self): print('taken apart')\n"
        "part = Part()\n"
        "sys.argv = ['train.py', 'norm=bm']\n"
        f"runpy.run_path({str(TRAIN)!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=TRAIN.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, f"a handler of the command {NEW_OBJECTS}\n")
    assert "norm=bm: no such option." in done.stderr
