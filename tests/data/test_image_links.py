import os

import pytest

from dlexp.errors import ConfigError
from tests.data.test_image_answers import BOTH, CLASSES, SHARE, read, write

KEEP, AGAIN = "dataset.duplicates=keep", "found 1 counted again by links:\n  "


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Write images, and make links: `bee>ant` makes photos/bee a symbolic link to photos/ant, `bee=ant` a hard one."""
    monkeypatch.chdir(tmp_path)

    def make(files, links):
        write(tmp_path, files)
        for link in links.split():
            path, kind, target = link.partition(">") if ">" in link else link.partition("=")
            if kind == ">":
                os.symlink(tmp_path / "photos" / target, tmp_path / "photos" / path)
            else:
                os.link(tmp_path / "photos" / target, tmp_path / "photos" / path)

    return make


def refusal(*overrides):
    with pytest.raises(ConfigError) as caught:
        read(["dataset.root=photos", f"dataset.cache_dir={os.getcwd()}/cache", *overrides])
    return str(caught.value)


CLASS_FOLDERS = {
    "a class": (CLASSES, "cow>ant", SHARE, "photos/cow = photos/ant"),
    "a class of a split": (
        BOTH, "train/cow>train/bee test/cow>test/bee", "",
        "photos/train/cow = photos/train/bee\n  photos/test/cow = photos/test/bee"
    ),
    "by way of another link": (CLASSES, "cow>ant dog>cow", SHARE, "photos/cow = photos/ant\n  photos/dog = photos/ant"),
}  # fmt: skip


@pytest.mark.parametrize("case", CLASS_FOLDERS)
def test_two_classes_that_are_one_folder_are_refused_by_name(case, photos):
    files, links, setting, names = CLASS_FOLDERS[case]
    photos(files, links)
    start = f"dataset.root: expected a folder for each class, found folders with two names:\n  {names}\n"
    assert refusal(*setting.split()).startswith(start)
    assert refusal(*setting.split(), KEEP).startswith(start)  # no duplicate to keep: its images would have two labels


# What lies there, the links, the setting beside dataset.root, and what the refusal names.
IMAGES = {
    "a link to an image": (CLASSES, "ant/9.png>ant/1.png", SHARE, AGAIN + "ant/9.png = ant/1.png"),
    "a hard link to an image": (CLASSES, "ant/9.png=ant/1.png", SHARE, AGAIN + "ant/9.png = ant/1.png"),
    "an image of two classes": (CLASSES, "bee/x.png>ant/1.png", SHARE, AGAIN + "bee/x.png = ant/1.png"),
    "several links": (
        BOTH, "train/ant/8.png>train/ant/1.png train/ant/9.png=train/ant/1.png test/bee/7.png>test/bee/1.png", "",
        "found 3 counted again by links:\n  train/ant/8.png = train/ant/1.png\n  train/ant/9.png = train/ant/1.png\n  "
        "test/bee/7.png = test/bee/1.png",
    ),
    "a folder below a class": (CLASSES, "bee/more>ant", SHARE, "found 5 counted again by links:\n  bee/more = ant\n"),
    "a second name below a class": (
        CLASSES + " photos/ant/may/x/*2.png", "ant/june>ant/may", SHARE,
        "found 2 counted again by links:\n  ant/may = ant/june\n"
    ),
    "a split": (BOTH, "val>train", "", "found 6 twice:\n  train = val\n"),
    "a class of two splits": (
        BOTH.replace("photos/test/bee/*2.png", ""), "test/bee>train/bee", "", "found 3 twice:\n  train/bee = test/bee\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", IMAGES)
def test_images_that_links_count_several_times_are_refused_by_name(case, photos):
    files, links, setting, names = IMAGES[case]
    photos(files, links)
    for _ in range(2):  # decoded, and from the cache
        message = refusal(*setting.split())
        assert message.startswith("dataset.duplicates: expected each image ")
        assert names in message
        assert "dataset.duplicates=keep" in message
    source = read(["dataset.root=photos", *setting.split(), KEEP])
    assert len(source.classes) == 2


def test_a_table_that_names_an_image_by_two_links_is_refused(photos, tmp_path):
    photos("photos/*4.png photos/far/x.png", "link.png>0.png")
    rows = [f"{name},{label}" for name, label in zip(["0.png", "link.png", "1.png", "2.png", "3.png"], "abaab", strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    assert AGAIN + "link.png = 0.png" in refusal("dataset.labels=labels.csv", SHARE)


def test_links_that_count_each_image_once_are_followed(photos, tmp_path):
    write(tmp_path, "pool/*8.png")
    photos("photos/ant/0.png photos/bee/0.png photos/bee/same.png", "")
    for index in range(8):
        os.symlink(tmp_path / "pool" / f"{index}.png", tmp_path / "photos" / ("ant", "bee")[index % 2] / f"of-pool{index}.png")
    (tmp_path / "photos" / "bee" / "same.png").write_bytes((tmp_path / "photos" / "bee" / "0.png").read_bytes())  # a copy
    source = read(["dataset.root=photos", "dataset.test_fraction=0.2", KEEP])
    assert len(source.train.targets) + len(source.test.targets) == 11
    (tmp_path / "photos" / "bee" / "same.png").unlink()
    source = read(["dataset.root=photos", "dataset.test_fraction=0.2"])
    assert len(source.train.targets) + len(source.test.targets) == 10
