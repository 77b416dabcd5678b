import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dlexp.analysis import analyse
from dlexp.commands import report
from dlexp.commands.attempt import attempt
from dlexp.errors import ConfigError, DiskError
from dlexp.run.plan import plan
from dlexp.run.record.layout import RUN_FOLDER_NAME
from dlexp.study.definition import read_study
from dlexp.study.metrics import describe_unknown
from dlexp.study.protocol import _read_earlier, name_folder, write_protocol
from dlexp.study.request import compose_runs, read_command
from dlexp.study.run import check_metrics, run_study
from dlexp.study.sweep import Checked, check_cells
from dlexp.training.single_learner import SingleLearner

TINY = ("study=activation_2d_published", "dataset=moons", "epochs=2", "model.widths=[8]")
FOLDER = "with-epochs=2-model.widths=-8-"  # and 8 digits of a hash


def run(root, *overrides):
    study, request = read_command([*TINY, *overrides, f"output_dir={root}"])
    checked = check_cells(compose_runs(study, request), study.name)
    return run_study(study, request, checked, "python train.py study=activation_2d_published ...")


def folder_of_report(root):
    (folder,) = root.glob(f"activation_2d_published/{FOLDER}????????")
    return folder


def summaries(root):
    return sorted(path.parent.name for path in root.glob("activation_2d_published/*/summary.json"))


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
    content = json.loads((folder_of_report(root) / "protocol.json").read_text())
    assert content["changes"] == ["epochs=2", "model.widths=[8]"]
    assert len(content["runs"]) == 60
    ids = {entry["id"]: entry for entry in content["runs"]}
    (folder,) = summaries(root)
    assert ids[folder[-12:]] | {"id": ""} == {"id": "", "cell": {"dataset": "moons", "activation": "relu"}, "seed": 0}
    assert folder.startswith("activation=relu-dataset=moons-epochs=2-model.widths=-8-seed=0-")


def test_a_report_is_written_beside_the_protocol(one_run):
    root, ended = one_run
    report = folder_of_report(root) / "report.html"
    assert ended == (0, report, "")
    assert "undecided" in report.read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["study=moons"], "study=moons: no such study"),
        (["study=activation_2d_published,loss"], "study: give one"),
        (["study=activation_2d_published", "lr=1,2"], "activation_2d_published has no axis lr"),
        (["study=activation_2d_published", "lr=1"], "Did you mean optimizer.lr"),
        (["study=activation_2d_published", "activation=rely"], "Did you mean relu"),
        (["study=activation_2d_published", "epochs=0"], "epochs: must be"),
        (["study=activation_2d_published", "model=convnet", "model.widths=[8]"], "model=convnet needs images"),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        compose_runs(*read_command([*overrides, f"output_dir={tmp_path}"]))
    assert list(tmp_path.iterdir()) == []


def protocol(root, *overrides):
    """The folder of a command's report, and its protocol; nothing is trained."""
    study, request = read_command([*overrides, f"output_dir={root}"])
    folder = write_protocol(study, request, "typed")
    return folder, json.loads((folder / "protocol.json").read_text())


def test_other_values_of_an_axis_make_a_report_of_their_own(tmp_path):
    own, _ = protocol(tmp_path, "study=activation_2d_published", "activation=relu")
    folder, content = protocol(tmp_path, "study=activation_2d_published", "activation=gelu,relu", "dataset=moons")
    assert own == tmp_path / "activation_2d_published"
    assert folder.name.startswith("with-activation=gelu-relu-")
    assert content["changes"] == ["activation=gelu,relu"]
    assert {run["cell"]["activation"] for run in content["runs"]} == {"gelu", "relu"}
    assert len({run["cell"]["dataset"] for run in content["runs"]}) == len(
        read_study("activation_2d_published").axes["dataset"]
    )


def test_a_value_of_a_listed_cell_is_no_other_value(tmp_path):
    path = tmp_path / "listed.yaml"
    path.write_text(
        "question: q\nbackground: b\nbase: {dataset: moons, model: mlp}\naxes: {depth: [1, 2]}\ncells: [{depth: 4}]\n"
    )
    study, request = read_command([f"study={path}", "depth=4"])
    assert (request.cells, request.axes) == ([{"depth": 4}], {})
    study, request = read_command([f"study={path}", "depth=4,5"])
    assert request.apply_to(study).all_cells() == request.cells == [{"depth": 4}, {"depth": 5}]


def test_more_seeds_than_the_file_lists_belong_to_the_comparison_and_are_marked(tmp_path, capsys):
    ended = run(tmp_path, "activation=relu", "seed=0,17")
    runs = json.loads((ended.report.parent / "protocol.json").read_text())["runs"]
    assert [(entry["cell"]["activation"], entry["seed"]) for entry in runs if entry.get("unplanned")] == [("relu", 17)]
    assert len(runs) == 61
    page = (ended.report.parent / "report.md").read_text()
    assert "Seeds that the study's file does not list: 17." in page
    assert "up to 11 seeds, 61 runs: 2 finished" in page
    assert "not 0" not in page  # it is no run of another protocol
    again = run(tmp_path, "activation=relu", "seed=0,18")  # a seed that was run stays, one that never was does not
    found = [entry["seed"] for entry in json.loads((again.report.parent / "protocol.json").read_text())["runs"]]
    assert {17, 18} <= set(found)
    for folder in tmp_path.glob("activation_2d_published/*seed=17*"):
        shutil.rmtree(folder)
    study, request = read_command([*TINY, f"output_dir={tmp_path}"])
    folder = write_protocol(study, request, "typed")
    assert {
        entry["seed"] for entry in json.loads((folder / "protocol.json").read_text())["runs"] if entry.get("unplanned")
    } == {18}


def test_cells_that_are_the_same_run_are_refused(tmp_path):
    path = tmp_path / "equal.yaml"
    path.write_text("question: q\nbackground: b\nbase: {dataset: moons, model: mlp}\naxes: {checkpoint_every: [1, 2]}\n")
    with pytest.raises(ConfigError, match=r"cells {checkpoint_every: 1} and {checkpoint_every: 2} are the same run"):
        protocol(tmp_path, f"study={path}")


def test_a_cell_that_is_not_requested_is_checked_too(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("question: q\nbackground: b\nbase: {dataset: moons, model: mlp}\naxes: {activation: [relu, rely]}\n")
    with pytest.raises(ConfigError, match="Did you mean relu"):
        compose_runs(*read_command([f"study={path}", "activation=relu"]))


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        ("val/acc", ["test/acc"]),
        ("test/rmse", ["test/acc", "val/acc"]),
        ("target/seconds", ["test/acc"]),
        ("best/test/acc", ["best/val/acc"]),
    ],
)
def test_a_metric_that_no_run_has_is_refused(metric, known):
    study = replace(read_study("activation_2d_published"), metric=metric)
    with pytest.raises(ConfigError, match=f"no run of this study has {metric}"):
        check_metrics(study, Checked([], [], frozenset(known)))
    check_metrics(replace(study, metric="memory.allocated"), Checked([], [], frozenset(known)))


def test_the_metrics_that_are_known_before_training_are_those_of_the_summary(tmp_path):
    path = tmp_path / "timed.yaml"
    path.write_text(
        "question: q\nbackground: b\nbase: {dataset: moons, model: mlp, epochs: 1, target: 0.5, grad_clip: 1}\n"
        "axes: {depth: [1]}\nseeds: [0]\n"
    )
    command = [f"study={path}", f"output_dir={tmp_path}"]
    study, request = read_command(command)
    before = check_cells(compose_runs(study, request), study.name)
    run_study(study, request, before, "typed")
    after = check_cells(compose_runs(study, request), study.name)
    assert before.metrics == after.metrics
    assert [metric for metric in before.metrics if describe_unknown(metric)] == []


CHANGES = [
    ["precision=bf16"],
    ["precision=fp16"],
    ["x=-1"],
    ["x=1"],
    ["x=+1"],
    ["x=[1,2]"],
    ["x=[12]"],
    ["x=1,2"],
    ["a=1", "b=2"],
    ["a=1-b=2"],
    [f"dataset.root={'d' * 90}/a"],
    [f"dataset.root={'d' * 90}/b"],
    ["dataset.root=é" * 60],
]


def test_each_change_has_a_folder_of_its_own():
    names = [name_folder(changed) for changed in CHANGES]
    assert len(set(names)) == len(CHANGES)
    assert name_folder(["a=1", "b=2"]) == name_folder(["b=2", "a=1"])
    for name in names:
        assert name.startswith("with-")
        assert len(name.encode()) <= 255
        assert not RUN_FOLDER_NAME.search(name)


def test_a_report_that_cannot_be_written_after_the_runs_is_a_sentence(one_run, tmp_path, monkeypatch):
    shutil.copytree(one_run[0], tmp_path / "outputs")

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dlexp.analysis.report.write.write_set", refuse)
    with pytest.raises(DiskError, match="report cannot be written .*No space left.* All runs are recorded: .* writes it"):
        run(tmp_path / "outputs", "seed=0", "activation=relu")


def test_an_earlier_protocol_that_is_damaged_is_named_before_it_is_replaced(tmp_path, capsys):
    path = tmp_path / "protocol.json"
    assert (_read_earlier(path), capsys.readouterr().err) == ({}, "")
    path.write_text('{"runs": []}')
    assert _read_earlier(path) == {}
    assert (
        "protocol.json: study is missing. A new one replaces it; seeds that only the damaged one listed"
        in capsys.readouterr().err
    )


def test_a_study_whose_folder_is_moved_away_says_so_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    step, done = SingleLearner.step, []

    def move(self, *batch):
        done.append(None)
        if len(done) == 2:
            (tmp_path / "activation_2d_published").rename(tmp_path / "moved")
        return step(self, *batch)

    monkeypatch.setattr(SingleLearner, "step", move)
    overrides = ("seed=0", "activation=relu,tanh")
    with pytest.raises(DiskError, match="the report cannot be made .*protocol.json.* All runs are recorded: dlexp report"):
        run(tmp_path, *overrides)
    assert "2 runs: 1 done, 0 skipped, 1 failed, 0 held." in capsys.readouterr().out
    assert not list((tmp_path / "moved").rglob("summary.json"))
    assert run(tmp_path, *overrides).code == 0
    assert "2 runs: 1 done, 1 skipped, 0 failed, 0 held." in capsys.readouterr().out


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_report_that_cannot_be_written_ends_in_a_sentence_with_5_and_the_runs_are_safe(number, one_run, monkeypatch, capsys):
    root, _ = one_run
    folder = folder_of_report(root)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def refuse(path, mode="r", *arguments, **options):
        if "x" in mode and path.name.startswith((".report", ".main", ".runs")):
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, mode, *arguments, **options)

    opened = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    assert attempt(lambda: run(root, "seed=0", "activation=relu").code) == 5
    message = capsys.readouterr().err
    assert f"the report cannot be written ([Errno {number}] {os.strerror(number)}" in message
    assert "All runs are recorded: dlexp report" in message
    assert report.main([str(folder)]) == 5
    (run_folder,) = [path.parent for path in root.glob("activation_2d_published/*/summary.json")]
    assert report.main([str(run_folder)]) == 5
    assert capsys.readouterr().err.count(os.strerror(number)) == 2
    changed = [path.name for path, content in before.items() if path.read_bytes() != content]
    assert changed in ([], ["protocol.json"])


DRAWN = ("activation=relu", "seed=0,1", "data_seed=42,1")


def test_draws_of_the_data_are_crossed_with_seeds(tmp_path):
    """Each run is one that a command can start, with the same id; the report is one of its own."""
    study, request = read_command([*TINY, *DRAWN, f"output_dir={tmp_path}"])
    composed = compose_runs(study, request)
    repeats = [[override.typed for override in run.overrides if "seed" in override.key] for run in composed]
    assert repeats == [[f"data_seed={draw}", f"seed={seed}"] for seed in (0, 1) for draw in (42, 1)]
    folder = write_protocol(study, request, "python train.py")
    protocol = json.loads((folder / "protocol.json").read_text())
    assert (protocol["study"]["data_seeds"], "data_seed=42,1" in protocol["changes"]) == ([42, 1], True)
    moons = [run for run in protocol["runs"] if run["cell"]["dataset"] == "moons"]
    listed = {(run["cell"]["activation"], run["data_seed"], run["seed"]): run["id"] for run in moons}
    assert len(listed) == 3 * 2 * 10
    same = [plan(run, study.name).identity for run in composed]
    assert same == [listed["relu", draw, seed] for seed in (0, 1) for draw in (42, 1)]
    plain, unchanged = read_command([*TINY, "activation=relu", "seed=0", f"output_dir={tmp_path}"])
    assert plan(compose_runs(plain, unchanged)[0], plain.name).identity == listed["relu", 42, 0]  # the draw of every study
    one = read_command([*TINY, "data_seed=1"])[1]
    assert (one.changes["data_seed"], one.data_seeds) == ("1", [])  # as before


def test_a_study_lists_its_draws(tmp_path):
    content = {"question": "Is it so?", "background": "It is.", "base": {"dataset": "moons", "model": "mlp", "epochs": 1}}
    content |= {"axes": {"activation": ["relu", "tanh"]}, "seeds": [0], "data_seeds": [1, 2]}
    path = tmp_path / "drawn.yaml"
    path.write_text(json.dumps(content))

    def list_runs(*overrides):
        study, request = read_command([f"study={path}", *overrides, f"output_dir={tmp_path}"])
        folder = write_protocol(study, request, "python train.py")
        runs = json.loads((folder / "protocol.json").read_text())["runs"]
        return len(compose_runs(study, request)), folder.name, [run["data_seed"] for run in runs if run.get("unplanned")]

    assert list_runs() == (4, "drawn", [])
    assert list_runs("data_seed=2", "activation=relu") == (1, "drawn", [])
    assert list_runs("data_seed=2,3") == (4, "drawn", [3, 3])
    assert list_runs("seed=1", "data_seed=3", "activation=relu") == (1, "drawn", [3])
    with pytest.raises(ConfigError, match="seeds are whole numbers"):
        list_runs("data_seed=-1,2")
    with pytest.raises(ConfigError, match=r"dataset.data_seed: draws the same data in every run"):
        list_runs("dataset.data_seed=3")
    with pytest.raises(ConfigError, match="data_seed: has no effect: nothing is drawn"):
        list_runs("dataset=mnist", "val_fraction=0")


@pytest.mark.slow(seconds=300)
def test_the_difference_on_moons_over_draws_is_the_one_in_docs(tmp_path):
    """docs/studies.md: Sigmoid - ReLU over 16 draws of three seeds, with the settings of activation_2d."""
    base = {key: value for key, value in read_study("activation_2d").base.items() if not key.startswith("probe")}
    content = {"question": "Does Sigmoid beat ReLU?", "background": "On moons.", "base": base | {"dataset": "moons"}}
    content |= {"axes": {"activation": ["relu", "sigmoid"]}, "seeds": [0, 1, 2], "data_seeds": list(range(16))}
    sides = {"plus": {"activation": "sigmoid"}, "minus": {"activation": "relu"}}
    path = tmp_path / "moons_draws.yaml"
    path.write_text(json.dumps(content | {"predictions": [{"claim": "Sigmoid beats ReLU", "expected": "greater", **sides}]}))
    study, request = read_command([f"study={path}", f"output_dir={tmp_path}"])
    run_study(study, request, check_cells(compose_runs(study, request), study.name), "python train.py")
    (verdict,) = analyse(tmp_path / "moons_draws").verdicts
    assert (verdict.verdict, verdict.n, verdict.draws) == ("holds", 16, 16)
    assert [verdict.estimate, verdict.low, verdict.high] == pytest.approx([0.0121, 0.0062, 0.0180], abs=0.0005)
    assert [verdict.spread.between, verdict.spread.within] == pytest.approx([0.0096, 0.0096], abs=0.0005)
