import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from dlexp.config.lab_options import READ_BY_THE_RUN
from dlexp.config.options import read_option, traits
from dlexp.contract import ConfigError, DatasetError
from dlexp.machine.memory import Memory
from dlexp.parts.dataset import image_folder

DEFAULTS = {
    key: value
    for key, value in read_option("dataset", "image_folder").items()
    if key not in ("_target_", "_partial_", *READ_BY_THE_RUN["dataset"])
} | {"data_seed": 42}
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
    return image_folder.read(**{**DEFAULTS, "root": str(root), "cache_dir": str(root.parent / "cache"), **changes})


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip((*one.train, *one.test), (*other.train, *other.test), strict=True))


@pytest.fixture
def opened(monkeypatch):
    """Paths of the images that were opened, in order."""
    paths, original = [], image_folder.decode_content
    monkeypatch.setattr(
        image_folder, "decode_content", lambda content, name, *rest: paths.append(name) or original(content, name, *rest)
    )
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
    assert num_opened == 18
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


def test_two_processes_decode_once(with_splits):
    code = """
import sys, time
from PIL import Image
from pathlib import Path
from tests.parts.dataset.test_image_folder import read
count, original = 0, Image.open
def counted(file, formats):
    global count
    count += 1
    time.sleep(0.05)  # long enough for the other process to come
    return original(file, formats=formats)
Image.open = counted
read(Path(sys.argv[1]))
print(count)
"""
    command = [sys.executable, "-c", code, str(with_splits)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(int(process.communicate()[0]) for process in processes) == [0, 18]


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
def test_image_size_resizes_the_central_square(without_splits, size):
    for path in sorted(without_splits.rglob("*.png")):
        write_image(path, size)
    left, top = (size[0] - min(size)) / 2, (size[1] - min(size)) / 2
    with Image.open(without_splits / "ant" / "0.png") as image:
        box = (left, top, left + min(size), top + min(size))
        expected = np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR, box)).transpose(2, 0, 1)
    source = read(without_splits, test_fraction=0.2, image_size=8)
    assert any(np.array_equal(expected, image) for image in torch.cat([source.train.inputs, source.test.inputs]).numpy())


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


def test_a_val_folder_is_the_validation_split(with_splits):
    assert read(with_splits).val is None
    for label in CLASSES:
        write_image(with_splits / "val" / label / "0.jpg")
    source = read(with_splits)
    assert source.val.targets.tolist() == [0, 1, 2]
    assert len(source.train.targets) == 12


def test_grey_images_are_the_same_in_one_and_three_channels(with_splits):
    for path in with_splits.rglob("*.jpg"):
        write_image(path.with_suffix(".png"), mode="L")
        path.unlink()
    grey, colour = read(with_splits, channels=1), read(with_splits)
    assert grey.train.inputs.shape == (12, 1, 5, 6)
    assert torch.equal(grey.train.inputs.expand(-1, 3, -1, -1), colour.train.inputs)


def copy_to_test(root, count):
    for index in range(count):
        path = root / "test" / "ant" / f"copy{index:02}.jpg"
        path.write_bytes((root / "train" / CLASSES[index % 3] / f"{index % 4}.jpg").read_bytes())


def test_the_same_file_in_train_and_test_is_refused(with_splits):
    copy_to_test(with_splits, 12)
    message = r"found 12 twice:\n  train/bee/0\.jpg = test/ant/copy00\.jpg\n(.*\n){9}  and 2 more\n.*dataset\.duplicates=keep"
    for _ in range(2):  # decoded, and from the cache
        with pytest.raises(ConfigError, match=message):
            read(with_splits)
    assert len(read(with_splits, duplicates="keep").test.targets) == 18


def test_the_same_file_in_val_and_another_split_is_refused(with_splits):
    for label in CLASSES:
        write_image(with_splits / "val" / label / "0.jpg")
    (with_splits / "val" / "ant" / "0.jpg").write_bytes((with_splits / "test" / "cow" / "1.jpg").read_bytes())
    with pytest.raises(ConfigError, match=r"one of train, val, test, found 1 twice:\n  val/ant/0\.jpg = test/cow/1\.jpg"):
        read(with_splits)


def test_copies_that_a_share_divides_are_refused(without_splits):
    for index in range(10):
        path = without_splits / "bee" / f"{index}.png"
        path.write_bytes((without_splits / "bee" / "0.png").read_bytes())
    with pytest.raises(ConfigError, match=r"dataset\.duplicates: .* found 2 twice:\n  bee/\d\.png = bee/\d\.png"):
        read(without_splits, test_fraction=0.2)
    assert len(read(without_splits, test_fraction=0.2, duplicates="keep").test.targets) == 6


def test_ten_unreadable_images_are_named(with_splits):
    for path in with_splits.glob("train/*/*.jpg"):
        path.write_bytes(b"not an image")
    with pytest.raises(
        DatasetError, match=r"^12 of 18 images cannot be read:\n(  .*/\d\.jpg cannot .*\n){10}  and 2 more\nMend"
    ):
        read(with_splits)


def test_a_given_size_makes_the_images_equal(with_splits):
    write_image(with_splits / "test" / "cow" / "1.jpg", (9, 8))
    with pytest.raises(ConfigError, match=r"Give dataset\.image_size=5 instead"):
        read(with_splits)
    assert read(with_splits, image_size=5).test.inputs.shape == (6, 3, 5, 5)


def test_an_old_file_name_is_read(with_splits):
    path = with_splits / "train" / "ant" / "0.jpg"
    os.rename(path, os.fsencode(path.parent) + b"/caf\xe9.jpg")
    assert len(read(with_splits).train.targets) == 12
    with (
        open(os.fsencode(path.parent) + b"/caf\xe9.jpg", "wb"),
        pytest.raises(DatasetError, match=r"caf\?\.jpg cannot be read"),
    ):
        read(with_splits)


def test_images_written_from_an_array_are_read_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 9, 9), dtype=np.uint8)
    for index, image in enumerate(pixels):
        folder = tmp_path / "images" / ("train" if index < 30 else "test") / str(index % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index:02}.png")
    source = read(tmp_path / "images", channels=1)
    assert source.classes == ("0", "1")
    for split, part in ((source.train, range(30)), (source.test, range(30, 40))):
        order = sorted(part, key=lambda index: index % 2)
        np.testing.assert_array_equal(split.inputs[:, 0].numpy(), pixels[order])
        assert split.targets.tolist() == [index % 2 for index in order]


@pytest.mark.parametrize("image_size", [None, 64])
def test_images_that_do_not_fit_into_memory_are_refused_with_the_size_that_fits(with_splits, monkeypatch, image_size):
    memory = Memory(physical=0, limit=None, available=2 * 18 * 3 * 5**2, shared=None)
    monkeypatch.setattr(image_folder, "read_memory", lambda: memory)
    with pytest.raises(ConfigError, match=r"got 18 images of \d+x\d+ pixels: .* dataset\.image_size=5 fits"):
        read(with_splits, image_size=image_size)
    assert read(with_splits, image_size=5).train.inputs.shape[1:] == (3, 5, 5)
