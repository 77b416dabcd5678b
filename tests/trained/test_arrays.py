import math

import numpy as np
import pytest
import torch
from PIL import Image

from dlexp.contract import ConfigError, DatasetError
from dlexp.data.image_files import convert_image
from dlexp.data.preprocessing import Preprocessing
from dlexp.trained.arrays import as_array, convert_array, convert_rows


def preprocessing(*shape, highest=255.0, fill=None):
    """That of a run with inputs of this shape."""
    kind = {3: "images", 2: "series", 1: "features"}[len(shape)]
    return Preprocessing(kind, shape, 2, ("a", "b"), torch.zeros(1), torch.ones(1), highest, fill=fill)


def pixels(*shape):
    return (np.arange(math.prod(shape)) % 256).astype(np.uint8).reshape(shape)


RGB, GREY = preprocessing(3, 4, 5), preprocessing(1, 4, 5)
LAYOUTS = {  # the run, the array, and the same images as [N, C, H, W]
    "batch": (RGB, pixels(2, 3, 4, 5), lambda array: array),
    "channels last": (RGB, pixels(2, 4, 5, 3), lambda array: array.transpose(0, 3, 1, 2)),
    "one image": (RGB, pixels(3, 4, 5), lambda array: array[None]),
    "one image, channels last": (RGB, pixels(4, 5, 3), lambda array: array.transpose(2, 0, 1)[None]),
    "grey batch": (GREY, pixels(2, 4, 5), lambda array: array[:, None]),
    "three grey images": (GREY, pixels(3, 4, 5), lambda array: array[:, None]),
    "one grey image": (GREY, pixels(4, 5), lambda array: array[None, None]),
    "wide integers": (GREY, pixels(4, 5).astype(np.int64), lambda array: array[None, None]),
    "no image": (GREY, pixels(0, 1, 4, 5), lambda array: array),
    "other channels": (preprocessing(2, 4, 5), pixels(3, 2, 4, 5), lambda array: array),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_images_keep_their_pixels_in_every_layout(name):
    run, array, expected = LAYOUTS[name]
    found = convert_array(array, run, "x")
    assert found.dtype == torch.uint8
    assert found.is_contiguous()
    assert np.array_equal(found.numpy(), expected(array))


@pytest.mark.parametrize("size", [(9, 9, 3), (4, 5), (9, 8), (6, 7, 4), (9, 8, 1)], ids=str)
@pytest.mark.parametrize("run", [RGB, GREY], ids=["rgb", "grey"])
def test_images_of_another_size_are_converted_as_files_are(run, size):
    image = Image.fromarray(pixels(*size).squeeze())
    channels, *target = run.input_shape
    assert np.array_equal(convert_array(pixels(*size), run, "x")[0].numpy(), convert_image(image, channels, tuple(target)))


WRONG = {
    "scaled": (RGB, np.zeros((3, 4, 5), np.float32), r"whole numbers from 0 to 255, got float32.*\(255 \* x\)"),
    "above 255": (RGB, np.full((3, 4, 5), 256), r"from 0 to 255, got 256 to 256"),
    "below 0": (RGB, np.full((3, 4, 5), -1), r"from 0 to 255, got -1"),
    "text": (RGB, np.array([["a"]]), "expected numbers, got an array of"),
    "complex": (preprocessing(2), np.zeros((1, 2), complex), "expected numbers, got an array of complex128"),
    "one number": (RGB, np.array(3), r"expected images .* got the shape \[\]"),
    "five axes": (RGB, pixels(1, 1, 3, 4, 5), r"expected images .* got the shape \[1, 1, 3, 4, 5\]"),
    "five channels": (RGB, pixels(2, 5, 4, 5), "only grey and RGB images are converted"),
    "channels of the run": (preprocessing(2, 4, 5), pixels(2, 3, 4, 5), "only grey and RGB images are converted"),
    "photo": (
        preprocessing(1, 4, 5, highest=16),
        pixels(4, 5) + 200,
        r"trained on pixel values up to 16, and here .* 219.*Digits",
    ),
    "features": (preprocessing(2), np.zeros((4, 3)), r"takes features of shape \[2\], or several as \[N, 2\]; got \[4, 3\]"),
    "series": (preprocessing(8, 1), np.zeros(8), r"takes series of shape \[8, 1\], or several as \[N, 8, 1\]; got \[8\]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_the_run_is_refused(name):
    run, array, message = WRONG[name]
    with pytest.raises(ConfigError, match=rf"^x: .*{message}"):
        convert_array(as_array(array, "x"), run, "x")


def test_dark_images_are_taken_by_a_run_that_was_trained_on_dark_ones():
    assert convert_array(np.full((4, 5), 16, np.uint8), preprocessing(1, 4, 5, highest=16), "x").max() == 16


def test_numbers_become_float32():
    assert convert_array(np.array([1, 2]), preprocessing(2), "x").tolist() == [[1.0, 2.0]]
    assert convert_array(np.array([True, False]), preprocessing(2), "x").tolist() == [[1.0, 0.0]]
    assert convert_array(np.zeros((2, 8, 1)), preprocessing(8, 1), "x").dtype == torch.float32


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_missing_and_infinite_numbers_are_refused_by_row(value):
    with pytest.raises(
        DatasetError, match=r"x: expected finite numbers, got NaN or infinity in row 1, 3 \(the first row is 0\)"
    ):
        convert_array(np.array([[0.0, 1], [value, 1], [0, 0], [1, value]]), preprocessing(2), "x")


def test_a_missing_number_is_filled_in_as_in_training():
    run = preprocessing(2, fill=torch.tensor([7.0, 8.0]))
    assert convert_array(np.array([[np.nan, 1], [2, np.nan]]), run, "x").tolist() == [[7, 1], [2, 8]]


def test_rows_are_examples():
    assert convert_rows(np.arange(8.0).reshape(1, 8), preprocessing(8, 1), "x").shape == (1, 8, 1)
    images = convert_rows(pixels(2, 20).astype(float), GREY, "x")
    assert np.array_equal(images.numpy(), pixels(2, 1, 4, 5))
    with pytest.raises(ConfigError, match=r"x: expected 20 numbers a row, for images of shape \[1, 4, 5\], got 3"):
        convert_rows(np.zeros((2, 3)), GREY, "x")


def test_what_holds_numbers_is_an_array():
    assert as_array([[1, 2], [3, 4]], "x").tolist() == [[1, 2], [3, 4]]
    assert as_array(torch.ones(2, dtype=torch.bfloat16, requires_grad=True), "x").tolist() == [1, 1]
    with pytest.raises(ConfigError, match="x: expected inputs of one size, got several sizes"):
        as_array([np.zeros(2), np.zeros(3)], "x")
