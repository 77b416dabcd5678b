"""Runs that are loaded again; and run folders of others, from which nothing may be executed."""

import os
import pickle
import shutil

import numpy as np
import pytest
import torch
import yaml

from dlexp.contract import ConfigError, DatasetError, UnsupportedError
from dlexp.errors import CheckpointError
from dlexp.trained.export import export_weights
from dlexp.trained.load import load_trained
from dlexp.trained.predict import predict
from tests.labs import BENT, using, write_lab
from tests.runs import IMAGES, MOONS, edit_json, sum_again
from tests.trained.test_predict import train, write_images


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, which no test may change."""
    return train(*MOONS, root=tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of its folder."""
    return shutil.copytree(finished.folder, tmp_path / finished.folder.name)


def edit(path, change):
    """Change the content of a YAML or JSON file, and make the run's sums fit, as one who makes such a folder can."""
    if path.suffix == ".json":
        edit_json(path, change)
    else:
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content))
    sum_again(path.parent)


def test_the_model_is_the_trained_one_and_torch_is_as_before(finished):
    random = torch.get_rng_state()
    model = finished.model()
    assert torch.equal(torch.get_rng_state(), random)
    assert not model.training
    weights = torch.load(finished.folder / "checkpoints" / "best.pt", weights_only=True)
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("reason", [{"reason": "the loss of step 3 is not finite"}, {}])
def test_a_run_without_a_test_loss_has_no_usable_model(folder, reason):
    lost = {"test/loss": None, "test/acc": 0.5}  # older runs recorded an accuracy even then
    edit(folder / "summary.json", lambda summary: summary.update(reason, status="diverged", metrics=lost))
    trained = load_trained(folder)
    why = reason.get("reason", "its outputs on the test split are not finite")
    for use in (trained.model, lambda: predict(trained, np.zeros((1, 2))), lambda: export_weights(trained, folder / "export")):
        with pytest.raises(ConfigError, match=f"{folder.name}: the run has no usable model: {why}"):
            use()
    assert not (folder / "export").exists()


def test_frozen_weights_and_the_memory_layout_are_those_of_the_run(tmp_path):
    keys = ("model=speednet", "model.widths=[8]", "hardware.channels_last=true")
    images = (text for text in IMAGES if not text.startswith(("depth", "width")))
    model = train(*images, *keys, root=tmp_path).model()
    assert not model.whitening.weight.requires_grad
    assert model.groups[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_splits_are_those_of_the_run(finished):
    dataset = finished.dataset()
    targets = np.load(finished.folder / "arrays" / "predictions.npz")["target"]
    assert dataset.test.targets.tolist() == targets.tolist()
    assert torch.equal(dataset.shift, finished.preprocessing.shift)


def test_the_files_of_a_run_may_have_moved_but_not_changed(tmp_path, monkeypatch):
    write_images(tmp_path / "data" / "images")
    monkeypatch.chdir(tmp_path)
    overrides = ("dataset=image_folder", "dataset.root=${data_dir}/images", "dataset.test_fraction=0.3", "dataset.image_size=4")
    trained = train(*overrides, "data_dir=data", "model=mlp", "depth=1", "width=4", "epochs=1", root=tmp_path / "outputs")
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    again = trained.dataset(root=moved / "images", data_dir=moved)
    assert again.classes == ("cats", "dogs")
    assert not (tmp_path / "data").exists()
    with pytest.raises(ConfigError, match="path: not a path of this run. Paths: data_dir, root, .*cache_dir"):
        trained.dataset(path="images")
    with pytest.raises(ConfigError, match="dataset.root"):
        trained.dataset()
    next(moved.glob("images/cats/*.png")).unlink()
    with pytest.raises(DatasetError, match=r"the files are not those that the run used: dataset\.root=.* has other content"):
        trained.dataset(root=moved / "images")


def test_what_follows_from_data_dir_moves_with_it(finished, monkeypatch):
    from dlexp.trained import load

    tree = {**finished.config, "dataset": {"root": "data", "_target_": ""}}
    composed = load.Composed(tree, {**finished.choices, "dataset": "mnist"})
    assert load._replace_paths(composed, {"data_dir": "elsewhere"})["dataset"]["root"] == "elsewhere"
    tree["dataset"]["root"] = "mine"
    assert load._replace_paths(composed, {"data_dir": "elsewhere"})["dataset"]["root"] == "mine"


def test_a_run_from_before_preprocessing_was_recorded(finished, folder):
    (folder / "preprocessing.json").unlink()
    assert load_trained(folder).preprocessing.classes == finished.preprocessing.classes
    edit(folder / "config.yaml", lambda config: config["dataset"].update(noise=0.5))
    with pytest.raises(ConfigError, match=r"(?s)has no preprocessing\.json, .*: config\.yaml was changed after the run"):
        load_trained(folder)


def test_a_run_from_before_a_setting_existed(finished, folder):
    edit(folder / "config.yaml", lambda config: [config.pop(key) for key in ("on_divergence", "on_oom", "retry")])
    older = load_trained(folder)
    assert older.config["on_oom"] == "fail"
    assert len(older.dataset().test.targets) == len(finished.dataset().test.targets)


def test_auto_is_what_it_was_in_the_run(tmp_path):
    trained = train(*MOONS, "hardware=auto", "precision=auto", "epochs=1", root=tmp_path)
    assert trained.choices["hardware"] == trained.hardware["device"]
    assert trained.choices["precision"] == trained.config["precision"]["format"] != "auto"
    trained.dataset()


STATUSES = {
    "failed": (lambda summary: summary.update(status="failed", reason="it broke\x1b[2J"), r"status failed\): it broke\?\[2J"),
    "no summary": (lambda summary: summary.pop("status"), "status is missing"),
    "no id": (lambda summary: summary.update(id="../x"), "id is not what"),
    "odd choices": (lambda summary: summary.update(choices={"model": ["mlp"]}), "choices: a value in it must be text"),
    "another model": (lambda summary: summary["choices"].update(model="none"), "model=none: no such option"),
    "another group": (lambda summary: summary["choices"].update({"a\x1bb": "c"}), r"a\?b: no such group"),
}


@pytest.mark.parametrize("name", STATUSES)
def test_an_unfinished_run_or_another_summary_is_refused(folder, name):
    change, message = STATUSES[name]
    edit(folder / "summary.json", change)
    with pytest.raises(ConfigError, match=message):
        load_trained(folder)


def test_a_run_without_a_summary_is_not_finished(folder):
    (folder / "summary.json").unlink()
    with pytest.raises(ConfigError, match="the run is not finished"):
        load_trained(folder)


CONFIGS = {
    "foreign code": (
        lambda config: config["model"].update(_target_="os.system"),
        r"model\._target_: must be .*, got 'os\.system'",
    ),
    "foreign code below": (
        lambda config: config["model"]["activation"].update(_target_="os.system"),
        r"activation: must be \$\{activation\}",
    ),
    "foreign key": (lambda config: config["model"].update(args=[1]), r"model\.args: no such key"),
    "hidden code": (lambda config: config["model"].update(widths=[{"_target_": "os.system"}]), "must be a plain value"),
    "reference": (lambda config: config.update(data_dir="${oc.env:HOME}"), r"holds values only, got a reference to \$\{oc"),
    "no group": (lambda config: config.pop("model"), "is not the config of a run"),
    "probe": (lambda config: config.update(probe=5), "is not the config of a run"),
    "range": (lambda config: config["model"].update(width=10**9), r"model\.width: must be an integer from 1 to 65536"),
    "no config": (lambda config: config.clear(), "is not the config of a run"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_no_command_could_have_is_refused(folder, name):
    change, message = CONFIGS[name]
    edit(folder / "config.yaml", change)
    with pytest.raises(ConfigError, match=message):
        load_trained(folder)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def pickle_bomb(path, tmp_path):
    path.write_bytes(pickle.dumps(Bomb()))


def zipped_bomb(path, tmp_path):
    torch.save({"blocks.0.linear.weight": Bomb()}, path)


def link_to_zero(path, tmp_path):
    path.unlink()
    path.symlink_to("/dev/zero")


def pipe(path, tmp_path):
    path.unlink()
    os.mkfifo(path)


def folder_there(path, tmp_path):
    path.unlink()
    path.mkdir()


def cut_off(path, tmp_path):
    path.write_bytes(path.read_bytes()[:-200])


def missing(path, tmp_path):
    path.unlink()


def a_list(path, tmp_path):
    torch.save([torch.zeros(2)], path)


def another_shape(path, tmp_path):
    change_weights(path, lambda weights: weights.update({"head.weight": torch.zeros(2, 17)}))


def another_name(path, tmp_path):
    change_weights(path, lambda weights: weights.update({"h\x1b": weights.pop("head.weight")}))


def change_weights(path, change):
    weights = torch.load(path, weights_only=True)
    change(weights)
    torch.save(weights, path)


WEIGHTS = {
    pickle_bomb: "is not a file of weights, or damaged, and nothing in it was executed",
    zipped_bomb: "nothing in it was executed",
    link_to_zero: r"best\.pt is not a regular file",
    pipe: r"best\.pt is not a regular file",
    folder_there: r"best\.pt is not a regular file",
    cut_off: "nothing in it was executed",
    missing: "is missing: the run has no weights",
    a_list: "expected a map from names to tensors",
    another_shape: r"head\.weight: expected float32 \[2, 16\], got float32 \[2, 17\]",
    another_name: r"(?s)head\.weight is missing.*h\? is not part of the model",
}


@pytest.mark.parametrize("damage", WEIGHTS, ids=lambda damage: damage.__name__)
def test_other_weights_are_refused_and_nothing_is_executed(folder, damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    damage(folder / "checkpoints" / "best.pt", tmp_path)
    sum_again(folder)  # as who makes such a folder can
    with pytest.raises(CheckpointError, match=WEIGHTS[damage]):
        load_trained(folder).model()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("file", ["config.yaml", "summary.json", "preprocessing.json"])
@pytest.mark.parametrize("damage", [link_to_zero, pipe, folder_there], ids=lambda damage: damage.__name__)
def test_a_file_that_has_no_end_is_refused(folder, file, damage, tmp_path):
    damage(folder / file, tmp_path)
    with pytest.raises(ConfigError, match="is not a regular file"):
        load_trained(folder)


def test_weights_with_little_content_do_not_fill_the_memory(folder):
    """A tensor of stride 0 needs four bytes in a file, and would need 40 GB when it is copied."""
    size = 10**10
    edit(folder / "preprocessing.json", lambda content: content.update(input_shape=[size], shift=[0.0], factor=[1.0]))
    wide = torch.zeros(1).expand(16, size)
    change_weights(folder / "checkpoints" / "best.pt", lambda weights: weights.update({"blocks.0.linear.weight": wide}))
    sum_again(folder)
    with pytest.raises(CheckpointError, match=r"the weights have \d+ bytes, and the file only"):
        load_trained(folder).model()


SIZES = {
    "wide": ({"input_shape": [10**30], "shift": 0.0, "factor": 1.0}, ConfigError, "input_shape.0. must be at most"),
    "negative": ({"input_shape": [-2]}, ConfigError, "must be at least 1"),
    "infinite": ({"num_outputs": float("inf")}, ConfigError, "num_outputs must be a whole number"),
    "many outputs": ({"num_outputs": 10**12, "classes": []}, CheckpointError, r"head\.weight: expected .*10{12}, 16"),
    "images": ({"kind": "images", "input_shape": [3, 10**6, 10**6]}, ConfigError, "it is not that of a run"),
    "text": ({"shift": "x"}, ConfigError, "shift must be a number or a list"),
}


@pytest.mark.parametrize("name", SIZES)
def test_absurd_sizes_are_refused_without_memory(folder, name):
    changes, error, message = SIZES[name]
    edit(folder / "preprocessing.json", lambda content: content.update(changes))
    with pytest.raises(error, match=message):
        load_trained(folder).model()


def test_a_run_with_parts_of_a_lab_needs_this_lab(tmp_path):
    lab = write_lab(tmp_path / "lab", BENT)
    with using(lab):
        trained = train(*MOONS, "activation=bent", "epochs=1", root=tmp_path / "outputs")
        assert "Bent" in str(load_trained(trained.folder).model())
    with pytest.raises(
        ConfigError, match=r"used parts of a lab \(blocks\.py, my_parts\.py\), .* --config-dir=LAB/conf, .*DLEXP_LAB"
    ):
        load_trained(trained.folder)
    write_lab(lab, {"blocks.py": BENT["blocks.py"].replace("slope * inputs", "inputs")})
    with using(lab), pytest.raises(ConfigError, match=r"the source of blocks\.py is another"):
        load_trained(trained.folder)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_device_is_refused(finished):
    with pytest.raises(UnsupportedError, match="no NVIDIA GPU"):
        finished.model("cuda")
