"""One image file as an array of pixels: the same for the images of a data set and for those that a trained model is given."""

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from dlexp.config.values import make_printable, show_path
from dlexp.data.image_names import MAX_IMAGE_BYTES
from dlexp.errors import DatasetError
from dlexp.machine.files import read_regular_file

# The formats of Pillow that may be opened. Others are refused by name, because Pillow would start Ghostscript for one of them.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 89_478_485  # of one image (0.27 GB as RGB), however small its file is: where Pillow begins to warn of such files
MODES = {1: "L", 3: "RGB"}  # number of channels → mode of Pillow
BACKGROUND = "white"  # what shows through where an image is transparent


def decode_image(path: Path | str, channels: int, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Decode one image file. Of a file with several pages or frames this is the first.

    Args:
        path: Path of a regular file.
        channels: As in `convert_image`.
        size: As in `convert_image`.

    Returns:
        uint8 [channels, H, W].

    Raises:
        DatasetError: If it is no image of one of these formats, is damaged, has too many pixels, or holds numbers of unknown
            range. The message begins with the name of the file.
    """
    return decode_content(read_image_file(path), str(path), channels, size)


def read_image_file(path: Path | str) -> bytes:
    """The content of an image file.

    Raises:
        DatasetError: If it is no regular file, cannot be read, or is larger than any image.
    """
    try:
        return read_regular_file(Path(path), MAX_IMAGE_BYTES)
    except FileNotFoundError as error:
        raise DatasetError(f"{show_path(str(path))} cannot be read as an image (there is no such file).") from error
    except OSError as error:
        raise DatasetError(f"{show_path(str(path))} cannot be read as an image ({error.strerror}).") from error
    except ValueError as error:
        reason = make_printable(str(error))
        raise DatasetError(f"{show_path(str(path))} cannot be read as an image ({reason}).") from error


def decode_content(content: bytes, name: str, channels: int, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Decode the content of the image file `name`; the rest is as of `decode_image`."""
    place = show_path(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, which name no file: damaged EXIF data
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS:,}")
                return convert_image(image, channels, size)
    except Image.UnidentifiedImageError as error:
        raise DatasetError(f"{place} cannot be read as an image (it is none of {', '.join(FORMATS)}).") from error
    except Exception as error:  # Pillow raises many types for damaged bytes
        reason = make_printable(str(error) or type(error).__name__)
        raise DatasetError(f"{place} cannot be read as an image ({reason}).") from error


def convert_image(image: Image.Image, channels: int, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Turn an image of Pillow into pixels.

    It is turned as its EXIF orientation says. Transparent places show white. Of 16 bits the upper 8 are kept.

    Args:
        image: In any mode.
        channels: 3 for RGB, 1 for grey (0.299 red + 0.587 green + 0.114 blue).
        size: (H, W). Where the image has another, its largest central part of these proportions is resized to it (bilinear).
            None: no change.

    Returns:
        uint8 [channels, H, W].

    Raises:
        ValueError: If the image holds numbers of unknown range: floating-point ones, or whole ones of more than 16 bits.
    """
    upright = ImageOps.exif_transpose(image)
    pixels = _to_8_bits(upright)
    if pixels.has_transparency_data:
        seen_through = pixels.convert("RGBA")
        pixels = Image.alpha_composite(Image.new("RGBA", pixels.size, BACKGROUND), seen_through)
    pixels = pixels.convert(MODES[channels])
    if size is not None and pixels.size != size[::-1]:
        pixels = ImageOps.fit(pixels, size[::-1], Image.Resampling.BILINEAR)
    array = np.array(pixels).reshape(pixels.height, pixels.width, channels)
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def _to_8_bits(image: Image.Image) -> Image.Image:
    """The same image with 8 bits a channel. Pillow itself does so for colours of 16 bits, and cuts grey ones off at 255."""
    if image.mode == "F":
        raise ValueError("it holds floating-point numbers, whose range is not known: save it with 8 or 16 bits a channel")
    if not image.mode.startswith("I"):
        return image
    values = np.array(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"it holds numbers from {values.min()} to {values.max()}: save it with 8 or 16 bits a channel")
    return Image.fromarray((values >> 8).astype(np.uint8))
