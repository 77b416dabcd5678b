import io
import os

import numpy as np
import pytest
from PIL import Image, ImageOps

from dlexp.data import image_files
from dlexp.data.image_files import convert_image, decode_content, decode_image
from dlexp.errors import DatasetError

RAMP = np.arange(16).reshape(4, 4) * 17  # 0 … 255
DEEP = (RAMP * 257).astype(np.uint16)  # the same in 16 bits


def decode(file, channels, size):
    return decode_content(file.getvalue(), "the image", channels, size)


def in_file(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def test_colours_stay_the_same():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    found = decode(in_file(Image.fromarray(pixels), "PNG"), 3, None)
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))
    assert found.dtype == np.uint8
    assert found.flags.writeable


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (Image.fromarray(RAMP.astype(np.uint8)), "PNG"),
        (Image.fromarray(DEEP), "PNG"),
        (Image.fromarray(DEEP), "TIFF"),
        (Image.fromarray(DEEP), "PPM"),
        (Image.fromarray(DEEP.astype(np.int32)), "TIFF"),
        (Image.frombytes("I;16B", (4, 4), DEEP.astype(">u2").tobytes()), "TIFF"),
    ],
)
def test_grey_of_8_and_16_bits_is_the_same(image, kind, channels):
    np.testing.assert_array_equal(decode(in_file(image, kind), channels, None), np.stack([RAMP] * channels))


@pytest.mark.parametrize("values", [RAMP.astype(np.float32), (RAMP * 66000).astype(np.int32), (RAMP - 1).astype(np.int32)])
def test_numbers_of_unknown_range_are_refused(values):
    with pytest.raises(DatasetError, match="save it with 8 or 16 bits a channel"):
        decode(in_file(Image.fromarray(values), "TIFF"), 1, None)


def see_through(mode):
    """Black, opaque in the left pixel, half in the middle and not in the right."""
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[0, :, 3] = 255, 128, 0
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_white_shows_through(mode, channels):
    np.testing.assert_array_equal(decode(in_file(see_through(mode), "PNG"), channels, None)[:, 0], [[0, 127, 255]] * channels)


@pytest.mark.parametrize(("mode", "transparent"), [("P", 1), ("L", 1), ("RGB", (1, 1, 1))])
def test_white_takes_the_place_of_a_transparent_colour(mode, transparent):
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8))
    if mode == "P":
        image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2])
    file = in_file(image if mode == "P" else image.convert(mode), "PNG", transparency=transparent)
    assert decode(file, 1, None).tolist() == [[[0, 255, 2]]]


def test_cmyk_becomes_rgb():
    file = in_file(Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "JPEG")
    assert decode(file, 3, None)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("tag", range(1, 9))
def test_exif_orientation_is_applied(tag):
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # how Pillow's transposition undoes each, as its numbers
    image = Image.fromarray(np.arange(0, 240, 40, dtype=np.uint8).reshape(2, 3))
    exif = Image.Exif()
    exif[0x0112] = tag
    expected = image if tag == 1 else image.transpose(Image.Transpose(turn[tag]))
    stored = {1: image, 6: image.rotate(90, expand=True), 8: image.rotate(270, expand=True)}.get(tag)
    np.testing.assert_array_equal(decode(in_file(image, "PNG", exif=exif), 1, None)[0], np.asarray(expected))
    if stored is not None:  # as a telephone does it
        np.testing.assert_array_equal(decode(in_file(stored, "PNG", exif=exif), 1, None)[0], np.asarray(image))


def test_damaged_exif_data_are_passed_over(recwarn):
    damaged = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0"
    assert decode(in_file(Image.new("RGB", (3, 2)), "JPEG", exif=damaged), 3, None).shape == (3, 2, 3)
    assert not recwarn.list


def test_size_is_height_and_width():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 10), dtype=np.uint8))
    assert convert_image(image, 3, (4, 2)).shape == (3, 4, 2)
    np.testing.assert_array_equal(convert_image(image, 1, (6, 10))[0], np.asarray(image))


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_first_page_is_taken(kind):
    pages = [Image.new("RGB", (2, 2), colour) for colour in ("white", "black")]
    file = in_file(pages[0], kind, save_all=True, append_images=pages[1:])
    assert decode(file, 3, None).min() == 255


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"GIF89a"])
def test_other_formats_are_refused_by_name(tmp_path, content):
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"photo\.png cannot be read as an image \(it is none of BMP, .*WEBP\)"):
        decode_image(tmp_path / "photo.png", 3, None)


def test_cut_off_file_is_refused_by_name(tmp_path):
    content = in_file(Image.effect_noise((40, 40), 50), "PNG").getvalue()
    (tmp_path / "photo.png").write_bytes(content[:-300])
    with pytest.raises(DatasetError, match=r"photo\.png cannot be read as an image"):
        decode_image(tmp_path / "photo.png", 3, None)


def test_large_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_PIXELS", 99)
    Image.frombytes("L", (10, 10), bytes(100)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("it was decoded"))
    with pytest.raises(DatasetError, match=r"bomb\.png .*10x10 pixels are more than 99"):
        decode_image(tmp_path / "bomb.png", 3, None)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "not a regular file"),
        ("device", "not a regular file"),
        ("folder", "not a regular file"),
        ("nothing", "no such"),
    ],
)
def test_only_regular_files_are_opened(tmp_path, kind, reason):
    path = tmp_path / "photo.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(DatasetError, match=f"photo.png cannot be read as an image .*{reason}"):
        decode_image(path, 3, None)


def test_end_of_a_long_path_is_shown(tmp_path):
    with pytest.raises(DatasetError, match=r"^\.\.\..*/nine\.png cannot"):
        decode_image(tmp_path / "x" / ("y" * 200) / "nine.png", 3, None)


# Format of a file → the modes that Pillow can write in it.
WRITTEN = {
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "PPM": ("1", "L", "RGB", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16"),
    "WEBP": ("RGB", "RGBA"),
}
TABLE = [(kind, mode, turn) for kind, modes in WRITTEN.items() for mode in modes for turn in (1, 6)]
SAMPLE = {*TABLE[::5], ("TIFF", "RGBA", 6)}
ROWS = [pytest.param(*row, marks=() if row in SAMPLE else pytest.mark.slow) for row in TABLE]


@pytest.mark.parametrize(("kind", "mode", "turn"), ROWS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_and_mode_looks_as_pillow_shows_it(kind, mode, turn, channels, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(values, "RGBA").convert("RGB" if mode in ("CMYK", "YCbCr", "RGBX") else mode)
        image = image.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = turn
    has_exif = kind in ("JPEG", "PNG", "TIFF", "WEBP")
    image.save(tmp_path / "x", kind, **({"exif": exif} if has_exif else {}))
    with (tmp_path / "x").open("rb") as file, Image.open(file) as opened:
        shown = ImageOps.exif_transpose(opened)
    if mode == "I;16":
        shown = Image.fromarray((np.asarray(shown).astype(np.int64) >> 8).astype(np.uint8))
    if shown.has_transparency_data:
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown.convert("RGBA"))
    expected = np.asarray(shown.convert("RGB").convert("L" if channels == 1 else "RGB"), int)
    found = decode_image(tmp_path / "x", channels, None)
    assert found.shape == (channels, *((7, 5) if has_exif and turn == 6 else (5, 7)))
    assert np.abs(found.transpose(1, 2, 0).reshape(expected.shape).astype(int) - expected).max() <= 1
