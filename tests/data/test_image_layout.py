import os

import pytest

from dlexp.data.image_layout import read_layout
from dlexp.data.image_names import Found
from tests.data.test_image_answers import BOTH, CLASSES, read, write


def layout(root, test_fraction=None, test_folder="test"):
    return read_layout(Found(root / "photos", "photos"), test_fraction, test_folder)


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Train", "Validation", "TEST"), ("training", "valid", "testing"), ("train", None, "test")],
)
def test_splits_are_known_by_their_names(tmp_path, train, val, test):
    names = [name for name in (train, val, test) if name]
    write(tmp_path, " ".join(f"photos/{name}/{label}/*2.png" for name in names for label in ("bee", "ant")))
    found = layout(tmp_path)
    assert found.classes == ("ant", "bee")
    assert {split: sorted(labelled.names) for split, labelled in found.splits.items()} == {
        split: [f"{name}/{label}/{index}.png" for label in ("ant", "bee") for index in (0, 1)]
        for split, name in (("train", train), ("val", val), ("test", test))
        if name
    }
    assert {tuple(labelled.labels) for labelled in found.splits.values()} == {(0, 0, 1, 1)}
    assert found.left_out == ()


def test_a_folder_may_be_named_as_the_test_split(tmp_path):
    write(tmp_path, BOTH.replace("test/", "val/") + " photos/2024/ant/*1.png photos/2024/bee/*1.png")
    assert layout(tmp_path, test_folder="val").splits.keys() == {"train", "test"}
    assert layout(tmp_path, test_folder="2024").splits.keys() == {"train", "val", "test"}
    assert len(layout(tmp_path, test_folder="2024").splits["test"].names) == 2


def test_images_may_lie_at_any_depth_below_their_class(tmp_path):
    write(tmp_path, "photos/ant/2024/may/*2.png photos/ant/1.png photos/bee/x/y/*3.png")
    found = layout(tmp_path, 0.5)
    assert found.splits["all"].labels == [0, 0, 0, 1, 1, 1]


def test_a_class_may_be_called_train(tmp_path):
    write(tmp_path, "photos/train/*2.png photos/bus/*2.png photos/car/*2.png")
    assert layout(tmp_path, 0.5).classes == ("bus", "car", "train")


def test_what_is_not_read_is_counted(tmp_path):
    write(tmp_path, BOTH + " photos/train/ant/*12.GIF photos/test/bee/*2.heic photos/train/bee/a photos/train/bee/Thumbs.db")
    write(tmp_path, "photos/extra/*7.png photos/*2.png photos/train/loose.png photos/readme.txt photos/.hidden/*3.gif")
    endings, others = layout(tmp_path).left_out
    assert endings.startswith("12 .gif, 2 .heic, 1 without an ending, as only .jpg, .jpeg, ")
    assert others == "10 images outside the class folders"


def test_a_message_tells_what_is_not_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, CLASSES + " photos/ant/*25.jfif")
    read(["dataset.root=photos", "dataset.test_fraction=0.2", "data_dir=data"])
    assert "dataset.root: left out below photos: 25 .jfif, as only .jpg, " in capsys.readouterr().err


def test_a_pipe_among_the_images_is_no_image(tmp_path):
    write(tmp_path, CLASSES)
    os.mkfifo(tmp_path / "photos" / "ant" / "pipe.png")
    assert len(layout(tmp_path, 0.5).splits["all"].names) == 10
