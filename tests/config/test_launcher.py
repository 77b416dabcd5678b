from types import SimpleNamespace

import pytest

from dlexp.config import launcher
from dlexp.config.launcher import take_launcher
from dlexp.config.lookup import look_up
from dlexp.config.options import options_in
from dlexp.errors import ConfigError

SUBMITIT, RAY = "launcher=submitit", "launcher=ray"
REFUSED = {
    ("launcher=slurm",): "launcher=slurm: no such option. Options: none, ray, submitit.",
    ("launcher=submitt",): "Did you mean submitit?",
    ("launcher=submitit,ray",): "launcher=submitit,ray: says how the whole sweep is run: give one value.",
    (SUBMITIT, "launcher.minutes=1,2"): "launcher.minutes=1,2: says how the whole sweep is run: give one value.",
    (SUBMITIT, RAY): "launcher=ray: launcher is set twice.",
    ("+launcher=ray",): "+launcher=ray: write launcher=ray.",
    ("~launcher",): "~launcher: write launcher=....",
    ("launcher@here=ray",): "launcher@here=ray: write launcher=ray.",
    ("launcher=${model}",): "launcher=${model}: takes a plain value.",
    ("launcher=[ray",): "launcher=[ray: cannot be read",
    ("launcher.minutes=5",): "launcher.minutes: has no effect without a launcher: add launcher=submitit.",
    ("launcher.cpus=2", "launcher=none"): "has no effect without a launcher: add launcher=ray or launcher=submitit.",
    (RAY, "launcher.minutes=5"): "launcher.minutes: launcher=ray has no minutes; submitit has. Leave it out.",
    (SUBMITIT, "launcher.minuts=5"): "launcher.minuts: no such key. Keys: launcher.cluster, ",
    (SUBMITIT, "launcher.minutes=0"): "launcher.minutes: must be an integer from 1 to 100000, got 0.",
    (SUBMITIT, "launcher.memory=null"): None,
    (SUBMITIT, "launcher.memory=0"): "launcher.memory: must be a number above 0, or null, got 0.",
    (SUBMITIT, "launcher.minutes=1"): "launcher.signal: must be below the 60 seconds of launcher.minutes=1, got 90.",
    (SUBMITIT, "launcher.cluster=local", "launcher.cpus=2"): "launcher.cpus: has no effect with launcher.cluster=local",
    (SUBMITIT, "launcher.folder=../logs"): "launcher.folder: must be a path without ..",
    (RAY, "launcher.gpus=-1"): "launcher.gpus: must be a number at least 0, got -1.",
}


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(launcher, "find_spec", lambda name: SimpleNamespace())


@pytest.mark.parametrize("given", REFUSED)
def test_a_wrong_launcher_is_refused(given, installed):
    if REFUSED[given] is None:
        assert take_launcher(given)[1]
        return
    with pytest.raises(ConfigError) as refused:
        take_launcher(["-m", "seed=0,1", *given])
    assert REFUSED[given] in str(refused.value)


def test_the_launcher_is_taken_out_of_a_command(installed):
    typed = ["-m", "launcher.gpus=0.5", "norm=bn,gn", "--config-dir", "launcher", "launcher=ray", "=launcher", "x=launcher"]
    rest, chosen = take_launcher(typed)
    assert rest == ["-m", "norm=bn,gn", "--config-dir", "launcher", "=launcher", "x=launcher"]
    assert chosen.engine == "ray"
    assert chosen.settings == {"address": None, "processes": 4, "cpus": 1, "gpus": 0.5, "restarts": 100, "folder": None}
    assert take_launcher(["seed=1", "launcher=none"]) == (["seed=1"], None)


@pytest.mark.parametrize("engine", ["ray", "submitit"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(engine, monkeypatch):
    monkeypatch.setattr(launcher, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        take_launcher([f"launcher={engine}"])
    expected = f'launcher={engine}: needs the package {engine}, which is not installed: pip install "dlexp[{engine}]"'
    assert str(refused.value) == expected


def test_elsewhere_it_is_refused_with_a_sentence():
    for text in ("launcher=ray", "launcher.cpus=2"):
        said = [f"{text}: belongs to a command that trains a sweep, a study or an ablation: leave it out here."]
        assert look_up([text], multirun=True) == said
        assert look_up([f"hydra.sweeper.params.{text}"], multirun=True) == said


def test_every_option_is_an_engine_or_none():
    assert options_in("launcher") == ["none", "ray", "submitit"]
