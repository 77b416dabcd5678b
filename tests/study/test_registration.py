"""A study that is registered: what is added to the file, and what the report then says."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import render_html
from dlexp.commands import plan
from dlexp.commands.register import main
from dlexp.commands.verify import main as verify
from dlexp.study.protocol import write_protocol
from dlexp.study.registration import register
from dlexp.study.request import compose_runs, read_command
from dlexp.study.sweep import check_cells, sweep

STUDY = """question: q
background: b
base: {dataset: moons, model: mlp, epochs: 1, hardware: cpu, "model.widths": [4]}
axes: {activation: [relu, tanh]}
seeds: [0]
predictions: [{claim: ReLU wins, plus: {activation: relu}, minus: {activation: tanh}, expected: greater}]
"""


@pytest.fixture
def command(tmp_path):
    (tmp_path / "made.yaml").write_text(STUDY)
    return [f"study={tmp_path / 'made.yaml'}", f"output_dir={tmp_path / 'outputs'}"]


def edit(command, old, new):
    """The command after its study was edited. The file is another one, because a process reads each file once."""
    path = Path(command[0].partition("=")[2])
    edited = path.parent / new / path.name
    edited.parent.mkdir()
    edited.write_text(path.read_text().replace(old, new))
    return [f"study={edited}", *command[1:]]


def read(tmp_path, folder="made"):
    return json.loads((tmp_path / "outputs" / folder / "registrations.json").read_text())["registrations"]


def train(*overrides, lang="en"):
    """What the report of a study says, once one of its cells has been trained."""
    study, request = read_command([*overrides, "activation=relu"])
    folder = write_protocol(study, request, "typed")
    sweep(check_cells(compose_runs(study, request), study.name), "typed")
    return render_html(make_page(analyse(folder), [], Text(lang)))


def test_a_study_is_registered_trained_and_reported_and_its_changes_are_seen(command, tmp_path, capsys):
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "made: 1 predictions over 2 cells and 1 seeds registered on 20" in out
    (first,) = read(tmp_path)
    assert f"sha256 {first['hash']}" in out
    assert (first["begun"], first["study"]["predictions"][0]["claim"]) == (0, "ReLU wins")
    assert main(command) == 0
    assert "is registered as it is" in (again := capsys.readouterr().out)
    assert "Nothing was added" in again
    assert read(tmp_path) == [first]

    assert "before its first run, and has not changed since (sha256 " in train(*command)
    command = edit(command, "greater", "less")
    page = train(*command)
    assert f"The study has changed since it was registered on {first['date'][:10]}" in page
    assert "): predictions.</p>" in page
    assert plan.main(command) == 0
    assert f"Changed since it was registered on {first['date'][:10]}" in capsys.readouterr().out

    assert main(command) == 0
    out = capsys.readouterr().out
    assert "It differs from the registration of " in out
    assert " in: predictions.\n1 of its runs have been started before, and its report will say so." in out
    assert [each["begun"] for each in read(tmp_path)] == [0, 1]
    page = train(*command)
    assert "when runs of it had already been started" in page
    assert f"Other versions of this study were registered, too: {first['date'][:10]}" in page
    assert "이미 시작된 실행이 있었습니다" in train(*command, lang="ko")
    assert verify([str(tmp_path)]) == 0


def test_a_changed_study_has_a_registration_of_its_own(command, tmp_path, capsys):
    assert main([*command, "epochs=2", "activation=relu,gelu"]) == 0
    (folder,) = (tmp_path / "outputs/made").iterdir()
    (found,) = read(tmp_path, f"made/{folder.name}")
    assert found["changes"] == ["epochs=2", "activation=relu,gelu"]
    assert plan.main([*command, "epochs=2", "activation=relu,gelu"]) == 0
    assert "Registered on 20" in capsys.readouterr().out
    assert plan.main(command) == 0
    assert "egistered" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["seed=0,1"], "study=made: the whole study is registered"),
        (["activation=relu"], "study=made: the whole study is registered"),
        (["activation=rely"], "Did you mean relu"),
        (["study=other"], "study: give one"),
    ],
)
def test_a_command_that_is_refused_registers_nothing(more, message, command, tmp_path, capsys):
    assert main([*command, *more]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_a_study_must_be_named(capsys):
    assert main(["epochs=3"]) == 2
    assert "study: name the study to register: dlexp register study=NAME." in capsys.readouterr().err


def test_a_damaged_file_is_named_by_all_that_read_it_and_not_written_over(command, tmp_path, capsys):
    assert main(command) == 0
    path = tmp_path / "outputs/made/registrations.json"
    path.write_text(damaged := path.read_text().replace("ReLU wins", "Tanh wins"))
    command = edit(command, "greater", "less")
    capsys.readouterr()
    assert main(command) == 2
    assert "registrations.json: its content is not what was written" in (message := capsys.readouterr().err)
    assert "Nothing was registered. Put a copy of this file that is whole in its place, or move it away" in message
    assert path.read_text() == damaged
    assert plan.main(command) == 0
    assert "whether the study was registered is not known" in " ".join(capsys.readouterr().out.split())
    assert verify([str(tmp_path)]) == 1
    assert f"{path}: its content is not what was written" in capsys.readouterr().out
    assert "Whether the study was registered before its first run is not known: registrations.json: its content" in train(
        *command
    )


def test_processes_that_register_at_once_lose_nothing(command, tmp_path, monkeypatch):
    versions = [read_command(edit(command, "ReLU wins", claim)) for claim in "abcd"]
    monkeypatch.setattr("dlexp.study.registration.git_commit", lambda: None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda version: register(*version), versions))
    assert len({each["hash"] for each in read(tmp_path)}) == 4
