"""Labs as their users have them: whole commands in a folder of their own; and folders that try to have their code run."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.labs import BENT, write_lab
from tests.processes import Command

PARTS = BENT | {
    "dlexp.toml": 'data_dir = "data"\n',
    "conf/model/line.yaml": """\
        _target_: my_models.Line
        _partial_: true
        activation: ${activation}
        width: ${width}
        """,
    "my_models.py": """\
        from math import prod

        from torch import nn


        class Line(nn.Sequential):
            def __init__(self, input_shape, num_outputs, *, activation, width):
                size = prod(input_shape)
                super().__init__(nn.Flatten(), nn.Linear(size, width), activation(), nn.Linear(width, num_outputs))
        """,
    "conf/dataset/points.yaml": """\
        _target_: my_data.read
        _partial_: true
        _traits_: {gives: [features], user_files: [path]}
        path: ${data_dir}/points.csv
        test_fraction: 0.3
        data_seed: ${data_seed}
        per_class: null
        scale: standardize
        scale_on: train
        """,
    "my_data.py": """\
        import numpy as np
        import torch

        from dlexp.contract import Source, Split
        from dlexp.data.split import hold_out_test


        def read(*, path, test_fraction, data_seed):
            table = torch.from_numpy(np.loadtxt(path, delimiter=","))
            examples = Split(table[:, :-1].float(), table[:, -1].long())
            return hold_out_test(examples, ("no", "yes"), test_fraction=test_fraction, data_seed=data_seed)
        """,
    "data/points.csv": "".join(f"{i % 7},{i % 5},{int(i % 7 > 3)}\n" for i in range(80)),
    "conf/optimizer/heavy.yaml": "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.1\nmomentum: 0.5\n",
    "conf/optimizer/signs.yaml": "_target_: my_training.Signs\n_partial_: true\nlr: 0.01\n",
    "conf/loss/margin.yaml": "_target_: my_training.Margin\n_partial_: true\n_traits_: {needs: [classes]}\nmargin: 1.0\n",
    "my_training.py": """\
        import torch
        from torch import nn


        class Signs(torch.optim.Optimizer):
            def __init__(self, named_parameters, *, lr):
                super().__init__(named_parameters, {"lr": lr})

            @torch.no_grad()
            def step(self, closure=None):
                for group in self.param_groups:
                    for parameter in group["params"]:
                        if parameter.grad is not None:
                            parameter.sub_(group["lr"] * parameter.grad.sign())


        class Margin(nn.Module):
            def __init__(self, *, margin):
                super().__init__()
                self.loss = nn.MultiMarginLoss(margin=margin)

            def forward(self, outputs, targets):
                return self.loss(outputs, targets)
        """,
    "conf/probe/largest.yaml": """\
        # @package probe.largest
        _target_: my_probe.Largest
        _partial_: true
        _ranges_: {every: an integer from 0 to 1000000}
        every: 1
        """,
    "my_probe.py": """\
        from dlexp.contract import ProbeResult


        class Largest:
            def __init__(self, model, dataset):
                self.model = model

            def __call__(self, inputs, targets, loss):
                named = self.model.named_parameters()
                return ProbeResult([(name, "largest", parameter.abs().max().item()) for name, parameter in named], {})
        """,
    "conf/study/bent_line.yaml": """\
        question: Does the bend help?
        background: It is cheap.
        base: {dataset: points, model: line, optimizer: heavy, epochs: 2, batch_size: 16, hardware: cpu}
        axes: {activation: [bent, relu]}
        seeds: [0, 1]
        """,
}
ALL = ("dataset=points", "model=line", "activation=bent", "optimizer=signs", "loss=margin", "probe=[largest]")
SMALL = ("hardware=cpu", "epochs=2", "batch_size=16", "width=8")


@pytest.fixture
def checkout(tmp_path):
    """Give a command of dlexp in a folder: exit code, standard output, standard error."""

    def start(*arguments, cwd):
        process = Command("-m", "dlexp", *arguments, cwd=cwd, environment={"XDG_CONFIG_HOME": str(tmp_path / "settings")})
        out, err = process.communicate()
        return process.returncode, out, err

    return start


@pytest.fixture(params=["checkout", pytest.param("wheel", marks=pytest.mark.wheel)])
def dlexp(request, tmp_path):
    """The same, and the same with the installed command."""

    def start(*arguments, cwd):
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        environment = foreign | {"XDG_CONFIG_HOME": str(tmp_path / "settings")}
        command = [request.getfixturevalue("wheel_command"), *arguments]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return start if request.param == "wheel" else request.getfixturevalue("checkout")


def test_each_kind_of_part_is_new_files_alone_and_an_edit_of_one_makes_another_run(dlexp, tmp_path):
    lab = write_lab(tmp_path / "lab", PARTS)
    assert dlexp("trust", ".", cwd=lab)[0] == 0

    def train():
        code, out, err = dlexp("train", *ALL, *SMALL, cwd=lab)
        assert code == 0, err
        return out

    assert "done before" not in train()
    (summary,) = (lab / "outputs/adhoc").glob("*/summary.json")
    assert json.loads(summary.read_text())["choices"]["activation"] == "bent"
    assert "largest" in summary.with_name("probes.csv").read_text()
    for name in ("my_parts.py", "blocks.py", "my_data.py", "my_training.py", "my_probe.py", "my_models.py"):
        (lab / name).write_text("# A comment.\n" + (lab / name).read_text())
    assert "done before" in train()
    for name, text in (("my_parts.py", "x = 1\n"), ("blocks.py", "x = 1\n"), ("data/points.csv", "1,1,0\n")):
        (lab / name).write_text((lab / name).read_text() + text)
        assert "done before" not in train(), name
    assert len(list((lab / "outputs/adhoc").glob("*/summary.json"))) == 4


def test_parts_of_a_lab_work_in_sweeps_and_studies_and_their_plan(dlexp, tmp_path):
    lab = write_lab(tmp_path / "lab", PARTS)
    flag = f"--config-dir={lab / 'conf'}"
    code, out, err = dlexp("train", flag, "-m", "dataset=points", "model=line", "activation=bent,relu", *SMALL, cwd=tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "2 runs: 2 done, 0 skipped, 0 failed, 0 held."), err
    code, out, err = dlexp("train", flag, "study=bent_line", cwd=tmp_path)
    assert code == 0, err
    assert "4 runs: 4 done" in out
    code, out, err = dlexp("plan", flag, "study=bent_line", cwd=tmp_path)
    assert (code, out.splitlines()[-1]) == (0, "4 runs of 2 cells: 4 done."), err
    assert "bent_line" in dlexp("plan", flag, cwd=tmp_path)[1]
    assert dlexp("report", "outputs/bent_line", cwd=tmp_path)[0] == 0
    code, out, err = dlexp("reproduce", flag, "bent_line", cwd=tmp_path)
    assert (code, "1 of 1 studies done" in out) == (0, True), err


def test_what_init_makes_works_at_once(dlexp, tmp_path):
    code, out, _ = dlexp("init", "my_lab", cwd=tmp_path)
    assert code == 0
    for command in (line.split() for line in out.splitlines() if line.startswith("  ") and "check" not in line):
        if command[0] != "cd":
            start = command.index("train")
            code, out, err = dlexp(*command[start:], "epochs=1", "hardware=cpu", cwd=tmp_path / "my_lab")
            assert code == 0, err
    assert (tmp_path / "my_lab/outputs").is_dir()
    assert dlexp("init", "my_lab", cwd=tmp_path) == (
        2,
        "",
        "my_lab: expected a new or empty folder, and it is not: choose another name.\n",
    )


EVIL = "import pathlib\npathlib.Path(__file__).with_name('was_imported').touch()\n\n\nclass Part: pass\n"


def write_traps(folder: Path, *, lab_file=True) -> Path:
    """A folder that looks like a lab, and whose modules leave a trace when they are imported."""
    names = ("evil", "torch", "yaml", "numpy", "sitecustomize", "conftest", "hydra_plugins/evil", "__init__", "conf/__init__")
    traps = {f"{name}.py": EVIL for name in names} | {"conf/activation/evil.yaml": "_target_: evil.Part\n_partial_: true\n"}
    return write_lab(folder, traps | ({"dlexp.toml": ""} if lab_file else {}))


def was_imported(folder):
    return [str(path) for path in folder.rglob("was_imported")]


RUN = ("dataset=moons", "model=mlp", "hardware=cpu", "max_steps=2", "depth=2", "width=8")


@pytest.mark.parametrize(
    "command", [["train", *RUN, "activation=evil"], ["train", *RUN], ["plan"], ["doctor", *RUN], ["preview", *RUN]]
)
def test_a_folder_that_nobody_agreed_to_is_refused(command, dlexp, tmp_path):
    folder = write_traps(tmp_path / "downloaded")
    code, _, err = dlexp(*command, cwd=folder)
    assert code == 2
    assert err.endswith(f"dlexp trust {folder}\n")
    assert was_imported(folder) == []


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["train", "--help"], ["report", "."], ["trust"]])
def test_what_needs_no_options_imports_nothing_of_it(command, checkout, tmp_path):
    folder = write_traps(tmp_path / "downloaded")
    checkout(*command, cwd=folder)
    assert was_imported(folder) == []


def test_without_the_file_the_folder_is_no_lab(dlexp, tmp_path):
    folder = write_traps(tmp_path / "downloaded", lab_file=False)
    assert "no such option" in dlexp("train", *RUN, "activation=evil", cwd=folder)[2]
    assert dlexp("train", *RUN, cwd=folder)[0] == 0
    assert was_imported(folder) == []


def test_a_module_that_no_chosen_option_names_is_not_imported(checkout, tmp_path):
    folder = write_traps(tmp_path / "lab")
    flag = f"--config-dir={folder / 'conf'}"
    for command in (
        ["train", flag, "--help"],
        ["train", flag, *RUN],
        ["plan", flag],
        ["train", flag, *RUN, "activation=evil", "--cfg", "job"],
    ):
        assert checkout(*command, cwd=tmp_path)[0] == 0
    assert was_imported(folder) == []
    checkout("train", flag, *RUN, "activation=evil", cwd=tmp_path)
    assert len(was_imported(folder)) == 1  # the trap works


ATTEMPTS = {
    "an override": ["activation._target_=evil.Part"],
    "an added key": ["+activation._target_=evil.Part"],
    "a group": ["activation={_target_: evil.Part, _partial_: true}"],
    "a path": ["activation=../../evil"],
    "a plugin": ["hydra/launcher=evil"],
    "hydra's search path": ["hydra.searchpath=[file://.]"],
    "another config": ["--config-path", "conf"],
    "a study": ["study=study.yaml"],
    "a study's group": ["study=group.yaml"],
}


@pytest.mark.parametrize("inside", [True, False], ids=["inside a lab", "outside a lab"])
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_what_comes_from_elsewhere_names_no_code(attempt, inside, checkout, tmp_path):
    folder = write_traps(tmp_path / "lab")
    (tmp_path / "study.yaml").write_text(
        "question: q?\nbackground: b.\nbase: {activation._target_: evil.Part}\naxes: {depth: [1]}\n"
    )
    (tmp_path / "group.yaml").write_text("question: q?\nbackground: b.\naxes: {activation: [{_target_: evil.Part}]}\n")
    flags = [f"--config-dir={folder / 'conf'}"] if inside else []
    run = [] if attempt.startswith("a study") else RUN
    code, _, err = checkout("train", *flags, *run, *ATTEMPTS[attempt], cwd=tmp_path)
    assert code == 2, err
    assert "Traceback" not in err
    assert was_imported(tmp_path) == []


@pytest.mark.parametrize("inside", [True, False], ids=["inside a lab", "outside a lab"])
def test_run_folders_and_data_folders_name_no_code(inside, checkout, tmp_path):
    folder = write_traps(tmp_path / "lab")
    flags = [f"--config-dir={folder / 'conf'}"] if inside else []
    assert checkout("train", *flags, *RUN, "checkpoint_every=0", cwd=tmp_path)[0] == 0
    (run,) = (path.parent for path in (tmp_path / "outputs/adhoc").glob("*/summary.json"))
    for name in ("config.yaml", ".hydra/config.yaml"):
        text = (run / name).read_text()
        (run / name).write_text(text.replace("torch.nn.ReLU", "evil.Part"))
    (run / ".hydra/overrides.yaml").write_text("- activation=evil\n")
    write_traps(run, lab_file=True)
    write_traps(tmp_path / "data", lab_file=True)
    (run / "summary.json").unlink()  # so that the run is resumed from its saved state
    code, _, err = checkout("train", *flags, *RUN, f"data_dir={tmp_path / 'data'}", cwd=tmp_path)
    assert (code, "was changed after the run began" in err) == (2, True), err
    assert was_imported(tmp_path) == []
