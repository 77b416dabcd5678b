import json

import pytest

from dlexp.errors import ConfigError
from dlexp.study.protocol import run_study
from dlexp.study.request import compose_runs, read_command
from dlexp.study.sweep import check_cells

TINY = ("study=activation_2d", "dataset=moons", "epochs=2", "model.widths=[8]")
FOLDER = "with-epochs=2-model.widths=-8"


def run(root, *overrides):
    study, request = read_command([*TINY, *overrides, f"output_dir={root}"])
    checked = check_cells(compose_runs(study, request), study.name)
    return run_study(study, checked, request.changes, "python train.py study=activation_2d ...")


def summaries(root):
    return sorted(path.parent.name for path in root.glob("activation_2d/*/summary.json"))


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    """The output folder of a study that was narrowed to one run, and how it ended."""
    root = tmp_path_factory.mktemp("outputs")
    return root, run(root, "seed=0", "activation=relu")


def test_a_study_runs_what_its_axes_ask_for_and_no_more_the_second_time(tmp_path, capsys):
    assert run(tmp_path, "seed=0,1").code == 0
    assert "6 runs: 6 done" in capsys.readouterr().out
    assert run(tmp_path, "seed=0,1,2", "activation=relu,sigmoid").code == 0
    assert "6 runs: 2 done, 4 skipped" in capsys.readouterr().out
    assert len(summaries(tmp_path)) == 8


def test_the_protocol_lists_every_run_of_the_study_narrowed_or_not(one_run):
    root, _ = one_run
    content = json.loads((root / "activation_2d" / FOLDER / "protocol.json").read_text())
    assert content["changes"] == ["epochs=2", "model.widths=[8]"]
    assert len(content["runs"]) == 60
    ids = {entry["id"]: entry for entry in content["runs"]}
    (folder,) = summaries(root)
    assert ids[folder[-12:]] | {"id": ""} == {"id": "", "cell": {"dataset": "moons", "activation": "relu"}, "seed": 0}
    assert folder.startswith("activation=relu-dataset=moons-epochs=2-model.widths=-8-seed=0-")


def test_a_report_is_written_beside_the_protocol(one_run):
    root, ended = one_run
    report = root / "activation_2d" / FOLDER / "report.html"
    assert ended == (0, report)
    assert "undecided" in report.read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["study=moons"], "study=moons: no such study"),
        (["study=activation_2d,loss"], "study: give one"),
        (["study=activation_2d", "lr=1,2"], "activation_2d has no axis lr"),
        (["study=activation_2d", "lr=1"], "Did you mean optimizer.lr"),
        (["study=activation_2d", "activation=rely"], "Did you mean relu"),
        (["study=activation_2d", "epochs=0"], "epochs: must be"),
        (["study=activation_2d", "model=convnet", "model.widths=[8]"], "model=convnet needs images"),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        compose_runs(*read_command([*overrides, f"output_dir={tmp_path}"]))
    assert list(tmp_path.iterdir()) == []
