import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from dlexp.config.options import traits
from dlexp.contract import ConfigError, DatasetError
from dlexp.parts.dataset import image_folder

CLASSES = ("bee", "ant", "cow")  # not in order


def write_image(path, size=(6, 5), mode="RGB"):
    """A smooth image that follows from the last parts of its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(zlib.crc32("/".join(path.parts[-3:]).encode())).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR).convert(mode).save(path)


@pytest.fixture
def with_splits(tmp_path):
    for part, count in (("train", 4), ("test", 2)):
        for label in CLASSES:
            for index in range(count):
                write_image(tmp_path / "images" / part / label / f"{index}.jpg")
    return tmp_path / "images"


@pytest.fixture
def without_splits(tmp_path):
    for label in CLASSES:
        for index in range(10):
            write_image(tmp_path / "images" / label / f"{index}.png")
    return tmp_path / "images"


def read(root, **changes):
    parameters = {"test_fraction": None, "image_size": None, "cache_dir": str(root.parent / "cache"), "data_seed": 42}
    return image_folder.read(root=str(root), **{**parameters, **changes})


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip((*one.train, *one.test), (*other.train, *other.test), strict=True))


@pytest.fixture
def opened(monkeypatch):
    """Paths of the images that were opened, in order."""
    paths, original = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path: paths.append(path) or original(path))
    return paths


def test_reads_what_torchvision_reads(with_splits):
    from torchvision.datasets import ImageFolder

    source = read(with_splits)
    for part in ("train", "test"):
        reference, split = ImageFolder(with_splits / part), getattr(source, part)
        assert source.classes == tuple(reference.classes) == ("ant", "bee", "cow")
        assert split.targets.tolist() == reference.targets
        pixels = np.stack([np.asarray(image) for image, _ in reference]).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(split.inputs.numpy(), pixels)


def test_second_read_decodes_nothing_and_gives_the_same(with_splits, opened):
    first, num_opened = read(with_splits), len(opened)
    second = read(with_splits)
    assert num_opened == 18 + 1  # the first one's shape is looked at ahead
    assert len(opened) == num_opened
    assert equal(first, second)


@pytest.mark.parametrize("what", ["content", "image_size"])
def test_cache_is_not_used_for_other_pixels(with_splits, what):
    before = read(with_splits)
    if what == "content":
        write_image(with_splits / "train" / "new" / "0.jpg")
        (with_splits / "train" / "new" / "0.jpg").replace(with_splits / "train" / "ant" / "0.jpg")
        (with_splits / "train" / "new").rmdir()
    after = read(with_splits, image_size=4 if what == "image_size" else None)
    assert not torch.equal(before.train.inputs[0], after.train.inputs[0])


def test_empty_class_folder_is_a_class_without_examples(with_splits):
    before = read(with_splits)
    for part in ("train", "test"):
        (with_splits / part / "aaa").mkdir()
    after = read(with_splits)
    assert after.classes == ("aaa", "ant", "bee", "cow")
    assert torch.equal(after.train.targets, before.train.targets + 1)


def test_two_processes_decode_once(with_splits):
    code = """
import sys, time
from PIL import Image
from dlexp.parts.dataset import image_folder
count, original = 0, Image.open
def counted(path):
    global count
    count += 1
    time.sleep(0.05)  # long enough for the other process to come
    return original(path)
Image.open = counted
root = sys.argv[1]
image_folder.read(root=root, test_fraction=None, image_size=None, cache_dir=root + "/../cache", data_seed=0)
print(count)
"""
    command = [sys.executable, "-c", code, str(with_splits)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(int(process.communicate()[0]) for process in processes) == [0, 19]


def test_share_is_split_off_stratified(without_splits):
    source = read(without_splits, test_fraction=0.2)
    assert source.train.targets.bincount().tolist() == [8, 8, 8]
    assert source.test.targets.bincount().tolist() == [2, 2, 2]
    assert len(torch.cat([source.train.inputs, source.test.inputs]).unique(dim=0)) == 30


def test_other_split_needs_no_decoding(without_splits, opened):
    first, num_opened = read(without_splits, test_fraction=0.2), len(opened)
    second = read(without_splits, test_fraction=0.2, data_seed=43)
    assert len(opened) == num_opened
    assert not equal(first, second)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_every_mode_becomes_rgb(without_splits, mode):
    write_image(without_splits / "ant" / "0.png", mode=mode)
    assert read(without_splits, test_fraction=0.2).train.inputs.shape == (24, 3, 5, 6)


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (16, 16), (9, 50)])
def test_image_size_resizes_the_central_square(tmp_path, size):
    write_image(tmp_path / "image.png", size)
    left, top = (size[0] - min(size)) / 2, (size[1] - min(size)) / 2
    with Image.open(tmp_path / "image.png") as image:
        box = (left, top, left + min(size), top + min(size))
        expected = np.asarray(image.resize((16, 16), Image.Resampling.BILINEAR, box))
    np.testing.assert_array_equal(image_folder._decode_image(tmp_path / "image.png", 16), expected.transpose(2, 0, 1))


def test_images_of_two_sizes_are_named(with_splits):
    write_image(with_splits / "test" / "cow" / "1.jpg", (9, 8))
    with pytest.raises(ConfigError, match=r"dataset\.image_size: .*ant/0\.jpg: 6x5, .*test/cow/1\.jpg: 9x8.* got null"):
        read(with_splits)
    assert read(with_splits, image_size=4).test.inputs.shape == (6, 3, 4, 4)


@pytest.mark.parametrize("content", [b"", b"<html></html>", "cut off"])
def test_damaged_image_is_named(with_splits, content):
    path = with_splits / "train" / "bee" / "2.jpg"
    path.write_bytes(path.read_bytes()[:-200] if content == "cut off" else content)
    with pytest.raises(DatasetError, match=r"train/bee/2\.jpg cannot be read as an image"):
        read(with_splits)


def test_missing_root_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.root: expected a folder"):
        read(tmp_path / "nowhere")


def test_the_files_that_enter_the_id_are_those_that_are_read():
    assert traits("dataset", "image_folder").suffixes == image_folder.SUFFIXES


def test_images_that_change_while_they_are_decoded_are_refused(without_splits, monkeypatch):
    original = image_folder._decode

    def decode(*given):
        write_image(without_splits / "bee" / "new.png")
        return original(*given)

    monkeypatch.setattr(image_folder, "_decode", decode)
    with pytest.raises(DatasetError, match="images were changed while they were decoded"):
        read(without_splits, test_fraction=0.2)
    monkeypatch.setattr(image_folder, "_decode", original)
    source = read(without_splits, test_fraction=0.2)
    assert len(source.train.inputs) + len(source.test.inputs) == 31


def test_share_is_refused_where_there_is_a_test_folder(with_splits):
    with pytest.raises(ConfigError, match=r"dataset\.test_fraction: expected null, .* got 0\.2"):
        read(with_splits, test_fraction=0.2)


def test_share_is_demanded_where_there_is_no_test_folder(without_splits):
    with pytest.raises(ConfigError, match=r"dataset\.test_fraction: expected a number .* got null"):
        read(without_splits)


def test_classes_must_agree_between_train_and_test(with_splits):
    write_image(with_splits / "test" / "yak" / "0.jpg")
    with pytest.raises(ConfigError, match=r"dataset\.root: expected the same classes .* got yak"):
        read(with_splits)


def test_one_class_is_refused(tmp_path):
    write_image(tmp_path / "images" / "ant" / "0.jpg")
    with pytest.raises(ConfigError, match=r"dataset\.root: expected at least 2 class folders .* got 1"):
        read(tmp_path / "images", test_fraction=0.5)


def test_folders_without_images_are_refused(tmp_path):
    for label in CLASSES:
        (tmp_path / "images" / label).mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no images"):
        read(tmp_path / "images", test_fraction=0.5)
