import json

import pytest

from dlexp.commands.export import main
from tests.labs import using, write_lab
from tests.runs import MOONS, prepare, run
from tests.trained.test_export import MODELS


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of outputs, and the id of its run."""
    root = tmp_path_factory.mktemp("outputs")
    overrides = (*MOONS, "precision=bf16")
    run(*overrides, root=root)
    return root, prepare(*overrides, root=root).identity


def test_the_files_lie_in_a_folder_of_the_current_one(trained, tmp_path, monkeypatch, capsys):
    root, identity = trained
    monkeypatch.chdir(tmp_path)
    assert main(["weights", identity[:5], f"--outputs={root}"]) == 0
    note, shown = capsys.readouterr().out.splitlines()
    assert note == "The run was trained in bf16; load.py computes in fp32, so that last digits differ."
    assert shown == f"→ model-{identity}: model.safetensors, model.json, load.py"
    assert {path.name for path in (tmp_path / f"model-{identity}").iterdir()} == {"model.safetensors", "model.json", "load.py"}


def test_a_folder_with_other_files_is_refused(trained, tmp_path, capsys):
    root, identity = trained
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["weights", identity, f"--outputs={root}", f"--output={tmp_path}"]) == 2
    assert "holds other files" in capsys.readouterr().err


def test_a_model_that_needs_dlexp_is_named_as_such(tmp_path, capsys):
    lab = write_lab(tmp_path / "lab", MODELS)
    overrides = (*MOONS[:2], "model=line", "model.branches=true", "epochs=1")
    with using(lab):
        run(*overrides, root=tmp_path)
        folder = prepare(*overrides, root=tmp_path).folder
    command = ["weights", str(folder), f"--output={tmp_path / 'export'}"]
    assert main(command) == 2
    assert "used parts of a lab (my_models.py), and no lab is in use" in capsys.readouterr().err
    assert main([*command, f"--config-dir={lab / 'conf'}"]) == 0
    assert "There is no load.py: the model needs dlexp, as torch.export cannot follow it" in capsys.readouterr().out
    assert json.loads((tmp_path / "export" / "model.json").read_text())["needs_dlexp"]
