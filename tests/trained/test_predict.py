"""A trained model predicts what its run predicted for its own test split."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dlexp.contract import ConfigError, DatasetError, UnsupportedError
from dlexp.trained.load import load_trained
from dlexp.trained.predict import predict
from tests.parts.dataset.test_torchvision_sets import CIFARS, write_cifar, write_mnist
from tests.runs import IMAGES, MOONS, SERIES, prepare, run

SMALL = ("depth=1", "width=8", "batch_size=16", "epochs=1")
NET = ("model=convnet", *SMALL)
POINTS = ("model=mlp", "dataset.num_examples=80", *SMALL)
RUNS = {
    "digits": ("dataset=digits", "dataset.per_class=20", *NET),
    "moons": ("dataset=moons", *POINTS),
    "circles": ("dataset=circles", *POINTS, "loss=mse"),
    "noisy_line": ("dataset=noisy_line", "model=mlp", "loss=mse", *SMALL),
    "sine": SERIES,
    "synthetic_images": (*IMAGES, "test_flip=true", "precision=bf16", "hardware.channels_last=true"),
    "image_folder": ("dataset=image_folder", "dataset.test_fraction=0.3", "dataset.image_size=8", *NET, "batch_size=8"),
    "mnist": ("dataset=mnist", *NET, "val_fraction=0", "evaluate_on=test"),
    "fashion_mnist": ("dataset=fashion_mnist", *NET, "val_fraction=0", "evaluate_on=test"),
    "cifar10": ("dataset=cifar10", *NET, "val_fraction=0", "evaluate_on=test"),
    "cifar100": ("dataset=cifar100", *NET, "val_fraction=0", "evaluate_on=test"),
}


def train(*overrides, root):
    """The loaded run of a command."""
    summary, _ = run(*overrides, root=root)
    assert summary["status"] == "done", summary
    return load_trained(prepare(*overrides, root=root).folder)


def stored(trained):
    return dict(np.load(trained.folder / "arrays" / "predictions.npz"))


def write_images(folder):
    numbers = np.random.default_rng(0)
    for number in range(20):
        path = folder / ("cats", "dogs")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


@pytest.mark.parametrize("name", RUNS)
def test_the_test_split_gives_the_stored_predictions(name, tmp_path, monkeypatch):
    overrides = [*RUNS[name], f"data_dir={tmp_path}"]
    if name == "image_folder":
        write_images(tmp_path / "images")
        overrides.append(f"dataset.root={tmp_path / 'images'}")
    elif "mnist" in name:
        write_mnist(tmp_path, name, monkeypatch)
    elif name in CIFARS:
        write_cifar(tmp_path, name, monkeypatch)
    trained = train(*overrides, root=tmp_path / "outputs")
    expected = stored(trained)
    found = predict(trained, trained.dataset().test.inputs)
    assert found["input"].tolist() == list(range(len(expected["target"])))
    if "classes" in expected:
        assert found["class"].tolist() == expected["classes"][expected["predicted"]].tolist()
        assert found["probability"].to_numpy().astype(np.float16).tolist() == expected["p_predicted"].tolist()
    else:
        assert found["prediction"].tolist() == expected["predicted"][:, 0].tolist()


TABLE = ("dataset=csv_table", "dataset.label=y", "model=mlp", *SMALL)
TABLES = {
    "categories": ("dataset.missing=mean",),
    "codes": ("dataset.missing=median", "dataset.categories=codes"),
    "regression": ("dataset.missing=mean", "dataset.label=size", "loss=mse"),
}


def write_table(path, *, seed):
    numbers = np.random.default_rng(seed)
    table = pd.DataFrame({"size": numbers.normal(size=60), "colour": numbers.choice(["red", "blue", ""], 60), "z": 0.5})
    table["y"] = np.where(table["size"] > 0, "large", "small")
    table["weight"] = np.where(numbers.random(60) < 0.2, np.nan, numbers.normal(size=60))
    table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", TABLES)
def test_a_table_gives_the_stored_predictions(name, tmp_path):
    train_file, test_file = (write_table(tmp_path / f"{seed}.csv", seed=seed) for seed in (0, 1))
    trained = train(*TABLE, f"dataset.train={train_file}", f"dataset.test={test_file}", *TABLES[name], root=tmp_path / "out")
    expected = stored(trained)
    frame = pd.read_csv(test_file)
    for inputs in (test_file, frame, frame[frame.columns[::-1]].drop(columns="y" if name != "regression" else "size")):
        found = predict(trained, inputs)
        if name == "regression":
            assert found["prediction"].tolist() == expected["predicted"][:, 0].tolist()
        else:
            assert found["class"].tolist() == expected["classes"][expected["predicted"]].tolist()
            assert found["probability"].to_numpy().astype(np.float16).tolist() == expected["p_predicted"].tolist()
    skipped = []
    test_file.write_text(test_file.read_text().replace("red", "green"))
    assert predict(trained, test_file, skip=skipped.append).empty
    assert str(skipped[0]).startswith("1.csv, column colour: expected a category of the training table ('', 'blue', 'red')")
    with pytest.raises(ConfigError, match="the table: expected the columns of the training table, got none named colour"):
        predict(trained, frame.drop(columns="colour"))


def test_an_array_of_a_file_gives_the_stored_predictions(tmp_path):
    numbers, path = np.random.default_rng(0), tmp_path / "data.npz"
    images = {name: numbers.integers(0, 256, (40, 6, 6), dtype=np.uint8) for name in ("mine", "other")}
    np.savez(path, y=np.arange(40) % 2, **images)
    overrides = ("dataset=npz", f"dataset.train={path}", "dataset.inputs=mine", "dataset.test_fraction=0.3", *NET)
    trained = train(*overrides, root=tmp_path / "outputs")
    found, expected = predict(trained, path), predict(trained, images["mine"])
    assert found["probability"].tolist() == expected["probability"].tolist()
    tested = predict(trained, trained.dataset().test.inputs)
    assert tested["class"].tolist() == stored(trained)["classes"][stored(trained)["predicted"]].tolist()


@pytest.fixture(scope="module")
def moons(tmp_path_factory):
    return train(*MOONS, root=tmp_path_factory.mktemp("moons"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return train(*RUNS["digits"], root=tmp_path_factory.mktemp("digits"))


def test_the_most_probable_classes_come_first(digits):
    inputs = digits.dataset().test.inputs[:5]
    found, best = predict(digits, inputs, top=10), predict(digits, inputs)
    assert found.columns.tolist() == ["input", "rank", "class", "probability"]
    assert found["input"].tolist() == np.repeat(range(5), 10).tolist()
    assert found["rank"].tolist() == [*range(1, 11)] * 5
    assert found[found["rank"] == 1].drop(columns="rank").reset_index(drop=True).equals(best)
    for _, rows in found.groupby("input"):
        assert rows["probability"].is_monotonic_decreasing
        assert rows["probability"].sum() == pytest.approx(1)
        assert sorted(rows["class"]) == sorted(digits.preprocessing.classes)


@pytest.mark.parametrize("top", [0, 3])
def test_more_classes_than_there_are_are_refused(moons, top):
    with pytest.raises(ConfigError, match=f"top: expected a number from 1 to the number of classes of the run, 2; got {top}"):
        predict(moons, [[0.0, 0.0]], top=top)


def test_torch_is_as_before_afterwards(moons):
    torch.set_num_threads(2)
    random, deterministic = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    predict(moons, [[0.0, 0.0]])
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.are_deterministic_algorithms_enabled() == deterministic


def test_files_that_cannot_be_read_are_named_and_left_out(moons, tmp_path):
    good, bad, none = tmp_path / "good.csv", tmp_path / "bad.npy", tmp_path / "none.csv"
    good.write_text("0,1\n2,3\n")
    bad.write_bytes(b"no array")
    skipped = []
    found = predict(moons, [good, bad, none], skip=skipped.append)
    assert found["input"].tolist() == [f"{good}:0", f"{good}:1"]
    assert [str(error).partition(" ")[0] for error in skipped] == ["bad.npy", "none.csv"]
    with pytest.raises(DatasetError, match=r"bad\.npy cannot be read as an array"):
        predict(moons, [good, bad])


def test_a_table_keeps_its_index(moons):
    found = predict(moons, pd.DataFrame([[0.0, 1.0], [2.0, 3.0]], index=["a", "b"]))
    assert found["input"].tolist() == ["a", "b"]


def test_nothing_gives_an_empty_table(moons):
    found = predict(moons, np.empty((0, 2)))
    assert (len(found), found.columns.tolist()) == (0, ["input", "class", "probability"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_device_is_refused(moons):
    with pytest.raises(UnsupportedError, match="no NVIDIA GPU"):
        predict(moons, [[0.0, 0.0]], device="cuda")
