"""Exported models are loaded without dlexp, and give the same outputs to the last bit."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from dlexp.data.batches import InputScaling
from dlexp.errors import ConfigError, DiskError
from dlexp.trained.export import export_weights
from tests.labs import using, write_lab
from tests.runs import IMAGES, MOONS, SERIES
from tests.trained.test_predict import train

TINY = (*IMAGES, "model=convnet", "dataset.shape=[3,8,8]", "width=16", "max_steps=2")
FIXED = tuple(text for text in TINY if not text.startswith(("depth", "width")))  # for models without these keys
RUNS = {
    "mlp": (*MOONS, "activation=gelu", "max_steps=2"),
    "mlp with rms": (*MOONS, "norm=rms", "activation=prelu", "max_steps=2"),
    **{f"convnet with {norm}": (*TINY, f"norm={norm}") for norm in ("bn", "gn", "ln", "in", "rms")},
    "convnet in bf16": (*TINY, "precision=bf16", "hardware.channels_last=true", "test_flip=true"),
    "resnet18": (*FIXED, "model=resnet18", "max_steps=1", "batch_size=8"),
    "speednet": (*FIXED, "model=speednet", "model.widths=[8,8]", "init=dirac_whitening"),
    "lstm": (*SERIES, "max_steps=2"),
    "lstm in a loop": (*SERIES, "model.cell=loop", "max_steps=2"),
}
# What a user does with an export, in a process in which dlexp cannot be imported.
USE = """
import importlib.util, json, sys
from pathlib import Path
import torch

sys.modules["dlexp"] = None
torch.set_num_threads(1)
for folder in sorted(Path(sys.argv[1]).iterdir()):
    spec = importlib.util.spec_from_file_location("load", folder / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.load(folder)
    outputs = model(torch.load(str(folder).replace("exports", "inputs")))
    torch.save(outputs, str(folder).replace("exports", "outputs"))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The outputs of each model, by its run and by load.py."""
    root, expected = tmp_path_factory.mktemp("made"), {}
    for name in ("exports", "inputs", "outputs"):
        (root / name).mkdir()
    for name, overrides in RUNS.items():
        trained = train(*overrides, root=root / "runs")
        inputs, model = trained.dataset().test.inputs[:7], trained.model()
        scaled = InputScaling(trained.preprocessing, torch.device("cpu"), trained.memory_format)(inputs)
        with torch.no_grad():
            expected[name] = model(scaled)
            if trained.config["test_flip"]:
                expected[name] = (expected[name] + model(scaled.flip(-1))) / 2
        assert export_weights(trained, root / "exports" / name).needs_dlexp == ""
        torch.save(inputs, root / "inputs" / name)
    subprocess.run([sys.executable, "-I", "-c", USE, str(root / "exports")], check=True)
    found = {name: torch.load(root / "outputs" / name) for name in RUNS}
    return root / "exports", expected, found


@pytest.mark.parametrize("name", RUNS)
def test_the_outputs_are_those_of_the_trained_model(made, name):
    _, expected, found = made
    assert found[name].dtype == torch.float32
    assert torch.equal(found[name], expected[name])


def test_the_description_is_plain_and_names_no_path_of_this_machine(made, tmp_path_factory):
    folder, _, _ = made
    text = (folder / "convnet in bf16" / "model.json").read_text()
    described = json.loads(text)
    assert described["precision"] == "trained in bf16; load.py computes in float32"
    assert described["preprocessing"]["classes"] == ["0", "1", "2"]
    assert described["config"]["model"]["width"] == 16
    assert str(tmp_path_factory.getbasetemp()) not in text
    steps = [step["operation"] for step in described["steps"]]
    assert steps.count("conv2d.default") == 2


def test_the_weights_have_the_names_of_the_model(made):
    folder, _, _ = made
    names = load_file(folder / "mlp" / "model.safetensors").keys()
    assert {"blocks.0.linear.weight", "blocks.0.norm.running_mean", "head.bias"} <= names


def test_an_unknown_operation_is_refused(made):
    from dlexp.trained import standalone

    folder, _, _ = made
    described = json.loads((folder / "mlp" / "model.json").read_text())
    described["steps"][0]["operation"] = "from_file.default"
    with pytest.raises(ValueError, match=r"from_file\.default is not an operation of a model"):
        standalone.build(described, load_file(folder / "mlp" / "model.safetensors"))


MODELS = {
    "conf/model/line.yaml": "_target_: my_models.Line\n_partial_: true\nbranches: false\n",
    "my_models.py": """\
        import torch
        from torch import nn


        class Line(nn.Module):
            def __init__(self, input_shape, num_outputs, *, branches):
                super().__init__()
                self.linear, self.branches = nn.Linear(input_shape[0], num_outputs), branches
                self.register_buffer("angles", torch.arange(2.0), persistent=False)

            def forward(self, inputs):
                if self.branches and not inputs.is_meta and inputs.sum() > 0:
                    inputs = 2 * inputs
                return self.linear(inputs + self.angles + torch.tensor([1.0, 2.0]))
        """,
}


@pytest.mark.parametrize("branches", [False, True])
def test_a_model_of_a_lab(branches, tmp_path):
    with using(write_lab(tmp_path / "lab", MODELS)):
        trained = train(*MOONS[:2], "model=line", f"model.branches={branches}".lower(), "epochs=1", root=tmp_path)
        written = export_weights(trained, tmp_path / "export")
    assert ("load.py" in written.files) != branches
    described = json.loads((tmp_path / "export" / "model.json").read_text())
    if branches:
        assert described["needs_dlexp"].startswith("torch.export cannot follow it")
        assert described["steps"] is None
    assert "linear.weight" in load_file(tmp_path / "export" / "model.safetensors")


@pytest.fixture
def moons(tmp_path_factory):
    return train(*MOONS, root=tmp_path_factory.mktemp("runs"))


def test_a_folder_with_other_files_stays_as_it_is(moons, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files, and nothing is overwritten: name another folder"):
        export_weights(moons, tmp_path)
    with pytest.raises(ConfigError, match="expected a folder, got the file"):
        export_weights(moons, tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_earlier_export_of_the_same_run_alone_is_replaced(moons, tmp_path):
    export_weights(moons, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    export_weights(moons, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    other = tmp_path / "model.json"
    other.write_text(other.read_text().replace(moons.id, "0" * 12))
    with pytest.raises(ConfigError, match="holds other files"):
        export_weights(moons, tmp_path)


def test_a_folder_that_cannot_be_made_is_named(moons, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="cannot be written"):
        export_weights(moons, tmp_path / "file" / "below")
