"""Cells of a study that are left out because a setting has no effect in them."""

from pathlib import Path
from tempfile import mkdtemp

import pytest
import yaml

from dlexp.errors import ConfigError
from dlexp.study.definition import read_study
from dlexp.study.protocol import list_changes, list_runs
from dlexp.study.request import compose_runs, narrow

MADE = {
    "question": "q",
    "background": "b",
    "base": {"dataset": "moons", "model": "mlp", "hardware": "cpu", "norm": "none"},
    "axes": {"depth": [0, 1], "activation": ["relu", "tanh"]},
    "seeds": [0, 1],
}
WITHOUT = [{"depth": 0, "activation": "relu"}, {"depth": 0, "activation": "tanh"}]


@pytest.fixture
def read(tmp_path):
    def read_changed(**changes):
        """The study, without the keys that are changed to None."""
        content = {key: value for key, value in (MADE | changes).items() if value is not None}
        folder = Path(mkdtemp(dir=tmp_path))  # a file is read once
        (folder / "made.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return read_study(str(folder / "made.yaml"))

    return read_changed


def test_a_study_is_refused_without_it(read):
    study = read()
    with pytest.raises(ConfigError, match="activation: has no effect with depth=0"):
        compose_runs(study, narrow(study, []))


def test_a_file_leaves_them_out(read, capsys):
    study = read(skip="without_effect")
    request = narrow(study, [])
    assert study.skipped == WITHOUT
    assert len(compose_runs(study, request)) == 4
    assert (
        "Left out: {depth: 0, activation: relu}, {depth: 0, activation: tanh}: activation: has no effect"
        in capsys.readouterr().err
    )
    assert list_changes(study, request) == []
    assert request.apply_to(study) == study
    assert len(list_runs(study, request).runs) == 4


def test_a_command_leaves_them_out_of_a_report_of_its_own(read):
    study = read()
    request = narrow(study, ["skip=without_effect", "seed=0"])
    assert len(compose_runs(study, request)) == 2
    assert list_changes(study, request) == ["skip=without_effect"]
    assert request.apply_to(study).skipped == WITHOUT
    assert {run.cell["depth"] for run in list_runs(study, request).runs} == {1}


def test_a_command_from_which_nothing_is_left_out_changes_nothing(read):
    study = read(axes={"depth": [1, 2]})
    assert list_changes(study, narrow(study, ["skip=without_effect"])) == []


def test_what_a_command_changes_counts(read):
    study = read(
        axes={"dropout": [0.1, 0.2], "depth": [1, 2]}, base=MADE["base"] | {"loss": "cross_entropy"}, skip="without_effect"
    )
    assert study.skipped == []
    with pytest.raises(
        ConfigError, match="skip=without_effect leaves nothing of the cells.*\n.*depth: has no effect beside model.widths"
    ):
        narrow(study, ["model.widths=[8]"])


def test_what_else_is_wrong_still_refuses_the_study(read):
    study = read(axes={"depth": [-1, 1]}, skip="without_effect")
    with pytest.raises(ConfigError, match="depth: must be an integer"):
        compose_runs(study, narrow(study, []))


def test_a_prediction_about_them_is_refused(read):
    claim = {"claim": "c", "plus": {"depth": 0}, "minus": {"depth": 1}, "expected": "greater"}
    with pytest.raises(ConfigError, match="predictions.plus: .* selects no cell"):
        read(skip="without_effect", predictions=[claim])


def test_a_setting_that_only_another_option_has_is_without_effect(read):
    base = {"dataset": "moons", "model": "mlp", "hardware": "cpu"}
    study = read(base=base, axes={"norm": ["none", "gn"], "norm.groups": [1, 2]}, skip="without_effect")
    assert study.skipped == [{"norm": "none", "norm.groups": groups} for groups in (1, 2)]
    assert len(compose_runs(study, narrow(study, ["seed=0"]))) == 2
    wrong = read(base=base, axes={"norm": ["none", "gn"], "norm.grups": [1, 2]}, skip="without_effect")
    with pytest.raises(ConfigError, match="norm.grups=1: no such key"):
        compose_runs(wrong, narrow(wrong, []))


def test_a_study_that_tunes_leaves_out_what_has_no_effect_in_any_trial(read, capsys):
    axes = {"norm": ["none", "gn"], "depth": [1, 2]}
    base = {"dataset": "moons", "model": "mlp", "hardware": "cpu"}
    study = read(base=base, axes=axes, tune={"norm.groups": [1, 2], "optimizer.lr": [0.01, 0.1]}, skip="without_effect")
    assert study.skipped == [{"norm": "none", "depth": 1}, {"norm": "none", "depth": 2}]
    assert len(compose_runs(study, narrow(study, ["depth=1"]))) == 4
    assert capsys.readouterr().err.count("Left out: ") == 1
    some = read(base=base, axes={"norm.groups": [1, 2]}, tune={"norm": ["none", "gn"]}, skip="without_effect")
    assert some.skipped == []
    with pytest.raises(ConfigError, match="norm.groups"):  # every cell gets the same trials
        compose_runs(some, narrow(some, []))


def test_a_search_that_is_too_large_is_refused_before_its_trials_are_listed(read):
    values = list(range(1, 1000))
    with pytest.raises(ConfigError, match="tune: has 997002999 combinations"):
        read(tune={"batch_size": values, "epochs": values, "model.width": values}, skip="without_effect")
