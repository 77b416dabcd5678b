import pytest

from dlexp.config.options import groups, read_option
from dlexp.doctor.data import PUBLISHED, Found, judge, look, section, stand_in
from dlexp.parts.dataset.torchvision_sets import SETS, check_files
from dlexp.run.setup.factories import load_dataset
from tests.parts.dataset.test_torchvision_sets import write_mnist
from tests.runs import prepare

TRAIN_IMAGES = "train-images-idx3-ubyte"


def state(root, option="mnist"):
    return next(one for one in look(str(root)) if one.option == option)


def test_every_data_set_in_data_dir_is_looked_for():
    there = {option for option in groups()["dataset"] if read_option("dataset", option).get("root") == "${data_dir}"}
    assert there == set(SETS) == set(PUBLISHED)


def test_a_data_set_that_is_there(tmp_path, monkeypatch):
    assert {one.state for one in look(str(tmp_path))} == {"absent"}
    write_mnist(tmp_path, "mnist", monkeypatch)
    assert [one.option for one in look(str(tmp_path)) if one.state == "there"] == ["mnist"]
    assert ("mnist", "there") in section(look(str(tmp_path)), "mnist", str(tmp_path)).lines


def test_a_file_that_was_cut_off_is_named(tmp_path, monkeypatch):
    file = write_mnist(tmp_path, "mnist", monkeypatch) / TRAIN_IMAGES
    file.write_bytes(file.read_bytes()[:-1])
    assert state(tmp_path) == Found("mnist", "incomplete", [str(file)])


def test_a_file_that_is_missing_is_named(tmp_path, monkeypatch):
    file = write_mnist(tmp_path, "mnist", monkeypatch) / TRAIN_IMAGES
    file.unlink()
    assert state(tmp_path) == Found("mnist", "incomplete", [str(file)])


def test_archives_make_good_for_missing_files(tmp_path, monkeypatch):
    folder = write_mnist(tmp_path, "mnist", monkeypatch)
    for path in list(folder.iterdir()):
        path.rename(f"{path}.gz")
    assert check_files("mnist", str(tmp_path)).archived
    assert state(tmp_path).state == "archived"


@pytest.mark.parametrize(
    ("state", "words"), [("there", None), ("archived", None), ("absent", "downloads it"), ("incomplete", "replace a/file")]
)
def test_only_the_runs_own_data_set_is_judged(state, words):
    found = [Found("mnist", state, ["a/file"] if state == "incomplete" else [])]
    assert [words in finding.text for finding in judge(found, "mnist", "data")] == ([True] if words else [])
    assert judge(found, "digits", "data") == []


@pytest.mark.real_data
def test_a_stand_in_has_the_shapes_of_the_data(tmp_path):
    config = prepare("dataset=fashion_mnist", "dataset.per_class=50", root=tmp_path).config
    if state(config["data_dir"], "fashion_mnist").state != "there":
        pytest.skip("Fashion-MNIST is not in data/")
    real, assumed = load_dataset(config), stand_in("fashion_mnist", config)
    for name in ("train", "val", "test"):
        for got, expected in zip(getattr(assumed, name), getattr(real, name), strict=True):
            assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    assert assumed.num_outputs == real.num_outputs
