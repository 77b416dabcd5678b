import pytest

from dlexp.doctor.data import Files, build_section, check_downloads, find_downloads, judge, make_placeholder
from dlexp.parts.dataset.torchvision_sets import PUBLISHED, SETS, check_files
from dlexp.run.setup.factories import load_dataset
from tests.parts.dataset.test_torchvision_sets import write_mnist
from tests.runs import prepare

TRAIN_IMAGES = "train-images-idx3-ubyte"


def state(root, option="mnist"):
    return next(files for files in check_downloads(str(root), ["torchvision"]) if files.option == option)


def test_every_data_set_in_data_dir_is_found():
    assert set(find_downloads()) == set(SETS) == set(PUBLISHED)


def test_without_torchvision_its_data_sets_are_left_out(tmp_path):
    assert check_downloads(str(tmp_path), ["torch"]) == []


def test_a_data_set_that_is_there(tmp_path, monkeypatch):
    assert {files.state for files in check_downloads(str(tmp_path), ["torchvision"])} == {"absent"}
    write_mnist(tmp_path, "mnist", monkeypatch)
    assert [files.option for files in check_downloads(str(tmp_path), ["torchvision"]) if files.state == "there"] == ["mnist"]
    assert ("mnist", "complete") in build_section(check_downloads(str(tmp_path), ["torchvision"]), "mnist", str(tmp_path)).lines


def test_a_file_that_was_cut_off_is_named(tmp_path, monkeypatch):
    file = write_mnist(tmp_path, "mnist", monkeypatch) / TRAIN_IMAGES
    file.write_bytes(file.read_bytes()[:-1])
    assert state(tmp_path) == Files("mnist", "incomplete", [str(file)])


def test_a_file_that_is_missing_is_named(tmp_path, monkeypatch):
    file = write_mnist(tmp_path, "mnist", monkeypatch) / TRAIN_IMAGES
    file.unlink()
    assert state(tmp_path) == Files("mnist", "incomplete", [str(file)])


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
    found = [Files("mnist", state, ["a/file"] if state == "incomplete" else [])]
    assert [words in finding.text for finding in judge(found, "mnist", "data")] == ([True] if words else [])
    assert judge(found, "digits", "data") == []


@pytest.mark.real_data
def test_a_placeholder_has_the_shapes_of_the_data(tmp_path):
    config = prepare("dataset=fashion_mnist", "dataset.per_class=50", root=tmp_path).config
    if state(config["data_dir"], "fashion_mnist").state != "there":
        pytest.skip("Fashion-MNIST is not in data/")
    real, assumed = load_dataset(config), make_placeholder("fashion_mnist", config)
    for name in ("train", "val", "test"):
        for got, expected in zip(getattr(assumed, name), getattr(real, name), strict=True):
            assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    assert assumed.num_outputs == real.num_outputs
