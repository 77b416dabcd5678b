"""Wrong first tries: each is answered with what was found, and with settings that work where there are such."""

import re
import shlex

import numpy as np
import pytest
from PIL import Image

from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.lab_options import READ_BY_THE_RUN
from dlexp.data.image_names import SUFFIXES
from dlexp.errors import ConfigError, DatasetError
from dlexp.parts.dataset import image_folder


def write(root, text):
    """Write a file for each name. `ant*3.png` stands for three, `#` for a space. What has the ending of an image is one."""
    count = 0
    for word in (word.replace("#", " ") for word in text.split()):
        name, times, ending = re.fullmatch(r"(.*?)(?:\*(\d+))?(\.\w+|/|)", word).groups()
        paths = [root / f"{name}{index}{ending}" for index in range(int(times))] if times else [root / word]
        for path in paths:
            count += 1
            if ending == "/":
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if ending in SUFFIXES:
                Image.fromarray(np.full((4, 4), count, dtype=np.uint8)).save(path)
            else:
                path.write_text("x")


def read(overrides):
    composed = compose(["dataset=image_folder", *overrides])
    if problems := check(composed):
        raise ConfigError(*problems)
    keys = {key: value for key, value in composed.config["dataset"].items() if key[0] != "_"}
    for key in READ_BY_THE_RUN["dataset"]:
        del keys[key]
    return image_folder.read(**keys)


BOTH = "photos/train/ant/*3.png photos/train/bee/*3.png photos/test/ant/*2.png photos/test/bee/*2.png"
CLASSES = "photos/ant/*5.png photos/bee/*5.jpg"
TRAIN = "photos/train/ant/*5.png photos/train/bee/*5.png"
SHARE = "dataset.test_fraction=0.2"
WRAPPED, TWO = CLASSES.replace("photos/", "photos/images/"), BOTH.replace("photos/", "photos/archive/")
# What lies there, the settings beside dataset.root=photos, what the answer says, and whether the settings that it gives work.
CASES = {
    "no share": (CLASSES, "", ["test_fraction: expected a number", "5 .png, 5 .jpg in 2 class folders (ant, bee)"], True),
    "share beside test": (BOTH, SHARE, ["test_fraction: expected null, as photos has folders train, test, got 0.2"], True),
    "one folder more": (
        WRAPPED, "", ["found 5 .png, 5 .jpg in 2 folders below photos/images (ant, bee)"], True
    ),
    "one folder more with a share": (WRAPPED, SHARE, ["dataset.root=photos/images"], True),
    "three folders more": (CLASSES.replace("photos/", "photos/a/b/c/"), "", ["dataset.root=photos/a/b/c"], True),
    "one folder more, of splits": (TWO, "", ["dataset.root=photos/archive"], True),
    "the same with a share": (TWO, SHARE, ["dataset.test_fraction=null"], True),
    "a folder with a space": (CLASSES.replace("photos/", "photos/my#pets/"), "", ["'dataset.root=\"photos/my pets\"'"], True),
    "an empty folder too": (CLASSES.replace("photos/", "photos/x/") + " photos/docs/a.txt", "", ["below photos/x"], True),
    "train alone": (TRAIN, "", ["found train (10 .png)", "dataset.root=photos/train"], True),
    "train alone with a share": (TRAIN, SHARE, ["found train (10 .png)", "dataset.root=photos/train"], True),
    "train and val": (BOTH.replace("test/", "val/"), "", ["found train (6 .png) and val (4 .png)", "test_folder=val"], True),
    "train and val with a share": (
        BOTH.replace("test/", "Valid/"), SHARE, ["train (6 .png) and Valid (4 .png)", "test_folder=Valid"], True
    ),
    "test alone": (TRAIN.replace("train", "test"), "", ["found test (10 .png)", "dataset.root=photos/test"], True),
    "two folders for train": (BOTH + " photos/Training/ant/*2.png", "", ["for the train split", "Training, train"], False),
    "splits below classes": (
        "photos/ant/train/*2.png photos/ant/test/*2.png photos/bee/train/*2.png photos/bee/test/*2.png", SHARE,
        ["with train and test in each", "Rename ant/train to train/ant"], False,
    ),
    "classes one lower in each split": (
        BOTH.replace("train/", "train/images/").replace("test/", "test/images/"), "",
        ["one folder, images, that holds them (ant, bee)", "Move these one folder up"], False,
    ),
    "unlabelled test": (TRAIN + " photos/test/*3.png", "", ["in photos/test, found 3 .png and no class folders"], True),
    "empty test": (TRAIN + " photos/test/", "", ["expected images in photos/test, found no files"], True),
    "test without a class": (TRAIN + " photos/test/ant/*2.png", "", ["found none in\n  test/bee (no such folder)"], False),
    "train without a class": (BOTH + " photos/test/yak/*2.png", "", ["train/yak (no such folder)"], False),
    "val without a class": (BOTH + " photos/val/ant/*2.png", "", ["val/bee (no such folder)"], False),
    "names in two cases": (
        BOTH.replace("test/ant", "test/Ant"), "", ["test/ant (no such", "train/Ant (no such", "Ant, ant differ in upper"], False
    ),
    "an empty class": (CLASSES + " photos/cow/", SHARE, ["found none in\n  cow (no files)\nAdd images"], False),
    "a class of other files": (CLASSES + " photos/cow/*9.gif photos/cow/x", SHARE, ["cow (only 9 .gif, 1 without an"], False),
    "many empty classes": (
        CLASSES + "".join(f" photos/c{index}/" for index in range(15)), SHARE, ["c0 (no files)", "and 5 more"], False
    ),
    "one class": ("photos/ant/*5.png", SHARE, ["at least 2 class folders in photos, found 1: 5 .png in photos/ant"], False),
    "one class in each split": ("photos/train/ant/*3.png photos/test/ant/*3.png", "", ["at least 2 class folders"], False),
    "no folders": ("photos/*3.png", SHARE, ["expected class folders in photos, found 3 .png and no class folders"], False),
    "a class": (CLASSES.replace("photos/", "pets/").replace("pets/ant", "photos"), "", ["no class folders"], False),
    "no images": ("photos/ant/*3.gif photos/bee/*2.npy", SHARE, ["expected images (.jpg,", "found only 3 .gif, 2 .npy"], False),
    "nothing": ("photos/ant/", SHARE, ["expected images", "found no files"], False),
    "an archive": ("photos/pets.zip", "", ["found pets.zip: unpack it"], False),
    "odd names": (CLASSES + " photos/a\x1b[31m/", SHARE, ["a?[31m (no files)"], False),
    "no such test folder": (BOTH, "dataset.test_folder=tset", ["expected the name", "got tset", "test, train"], False),
    "a missing root": (CLASSES.replace("photos", "photo"), "", ["expected a folder, but", "Did you mean", "/photo?"], False),
    "a file as root": ("photos.png", "dataset.root=photos.png", ["expected a folder", "is a file"], False),
    "classes of train as root": (BOTH, "dataset.root=photos/train", ["no folders train", "root=photos instead"], True),
    "one class of train as root": (BOTH, "dataset.root=photos/train/ant", ["no class folders", "root=photos instead"], True),
    "one class as root": (CLASSES, "dataset.root=photos/ant", ["no class folders", "dataset.root=photos dataset.test"], True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_first_try_is_answered(case, tmp_path, monkeypatch):
    files, settings, answers, works = CASES[case]
    monkeypatch.chdir(tmp_path)
    write(tmp_path, files)
    overrides = ["dataset.root=photos", *settings.split()]
    with pytest.raises((ConfigError, DatasetError)) as refused:
        read([f"data_dir={tmp_path}/data", *overrides])
    message = str(refused.value)
    assert [answer for answer in answers if answer not in message] == [], message
    assert message.isprintable() or set(re.sub(r"[^\x00-\x1f\x7f]", "", message)) == {"\n"}
    given = re.search(r"Give ('?dataset\..*) instead", message)
    assert bool(given) == works, message
    if given:
        new = shlex.split(given[1])
        kept = [text for text in overrides if text.partition("=")[0] not in {one.partition("=")[0] for one in new}]
        source = read([f"data_dir={tmp_path}/data", *kept, *new])
        assert source.classes == ("ant", "bee")
