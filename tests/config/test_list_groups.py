"""A group whose default is a list takes several options, whatever its name: here a second one beside `probe`."""

import shutil

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from dlexp.config import options
from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.help import help_text
from dlexp.config.lookup import look_up
from dlexp.config.options import CONF
from dlexp.run.record.identity import run_id


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """A copy of conf/ with a group `logger`."""
    shutil.copytree(CONF, tmp_path / "conf")
    config = tmp_path / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("  - probe: []", "  - logger: []\n  - probe: []"))
    (tmp_path / "conf" / "logger").mkdir()
    for name in ("csv", "board"):
        (tmp_path / "conf" / "logger" / f"{name}.yaml").write_text(
            f"# @package logger.{name}\n_ranges_: {{every: an integer from 1 to 9}}\nevery: 1\n"
        )
    monkeypatch.setattr(options, "CONF", tmp_path / "conf")
    options.use_lab(None)  # all files are read again
    yield tmp_path / "conf"
    monkeypatch.undo()
    options.use_lab(None)


def test_several_options_are_composed_as_hydra_does(conf):
    command = ["logger=[csv,board]", "logger.board.every=5"]
    assert look_up(command, multirun=False) == []
    composed = compose(command)
    assert composed.tree["logger"] == {"csv": {"every": 1}, "board": {"every": 5}}
    assert check(composed) == []
    with initialize_config_dir(str(conf), version_base="1.3"):
        found = hydra_compose("config", command).logger
    assert {name: found[name].every for name in found} == {"csv": 1, "board": 5}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("logger=csv", "takes a list, such as logger=[csv]."),
        ("logger=[bord]", "logger=[bord]: no such option. Options: board, csv. Did you mean board?"),
        ("logger=[csv,csv]", "the same logger comes twice."),
        ("logger.csv.every=2", "this logger is not chosen: add it to logger=[...]."),
        ("logger=[csv] logger.csv.evry=2", "Did you mean logger.csv.every=2?"),
    ],
)
def test_a_mistake_is_explained(command, message, conf):
    (line,) = look_up(command.split(), multirun=False)
    assert line.endswith(message)


def test_values_are_checked_and_unknown_options_too(conf):
    assert check(compose(["logger=[csv]", "logger.csv.every=10"])) == [
        "logger.csv.every: must be an integer from 1 to 9, got 10."
    ]
    composed = compose()
    composed.tree["logger"] = {"other": {}}
    assert check(composed) == ["logger=[other]: no such option. Options: board, csv."]


def test_help_lists_its_options(conf):
    assert "logger     board csv (a list)" in help_text()


def test_an_empty_one_is_not_in_the_id(conf):
    config = compose().config
    assert run_id(config) == run_id({key: value for key, value in config.items() if key != "logger"})
    assert run_id(config) != run_id(compose(["logger=[csv]"]).config)
