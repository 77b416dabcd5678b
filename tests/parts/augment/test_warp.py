"""The augmentations that move pixels: rotation, affine and resized_crop, compared with torchvision image by image."""

import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from dlexp.contract import ConfigError
from tests.parts.augment.images import change, make, smooth_images

MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}
SHAPES = [(3, 32, 24), (1, 28, 28)]


def compare(outputs, expected, interpolation):
    """Bilinearly all pixels are equal to rounding; a place halfway between two pixels may have another nearest one."""
    difference = (outputs.float() - torch.stack(expected) * 255).abs()
    if interpolation == "bilinear":
        assert difference.max() <= 0.51
    else:
        assert (difference > 0.51).float().mean() < 0.001


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", MODES)
def test_rotation(interpolation, shape):
    augment, inputs = make("rotation", degrees=50, interpolation=interpolation), smooth_images(64, shape)
    parameters = augment.parameters(64, 0, 1)
    assert parameters.abs().max() <= 50
    expected = [
        functional.rotate(image / 255, -angle, interpolation=MODES[interpolation])  # torchvision turns the other way
        for image, (angle,) in zip(inputs, parameters.tolist(), strict=True)
    ]
    compare(change(augment, inputs, parameters), expected, interpolation)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", MODES)
def test_affine(interpolation, shape):
    keys = {"degrees": 15.0, "translate": 0.2, "scale": [0.8, 1.2], "shear": 15.0}
    augment, inputs = make("affine", **keys, interpolation=interpolation), smooth_images(64, shape)
    parameters = augment.parameters(64, 0, 1)
    expected = []
    for image, (angle, x, y, scale, shear) in zip(inputs, parameters.tolist(), strict=True):
        shift = [round((2 * x - 1) * 0.2 * shape[2]), round((2 * y - 1) * 0.2 * shape[1])]
        arguments = 15 * (2 * angle - 1), shift, 0.8 + 0.4 * scale, [15 * (2 * shear - 1), 0.0]
        expected.append(functional.affine(image / 255, *arguments, interpolation=MODES[interpolation]))
    compare(change(augment, inputs, parameters), expected, interpolation)


@pytest.mark.parametrize("shape", SHAPES)
def test_resized_crop(shape):
    augment, inputs = make("resized_crop", area=[0.05, 0.9], ratio=[0.5, 2.0]), smooth_images(64, shape)
    parameters = augment.parameters(64, 0, 1)
    height, width = shape[1:]
    expected = []
    for image, (area, ratio, y, x) in zip(inputs, parameters.tolist(), strict=True):
        pixels, quotient = (0.05 + 0.85 * area) * height * width, math.exp(math.log(0.5) + ratio * math.log(4))
        rows = min(max(round(math.sqrt(pixels * quotient)), 1), height)
        columns = min(max(round(math.sqrt(pixels / quotient)), 1), width)
        place = math.floor(y * (height - rows + 1)), math.floor(x * (width - columns + 1)), rows, columns
        expected.append(functional.resized_crop(image / 255, *place, size=[height, width], antialias=True))
    compare(change(augment, inputs, parameters), expected, "bilinear")


@pytest.mark.parametrize(
    ("option", "keys"),
    [
        ("affine", {"degrees": 0, "translate": 0, "scale": [1, 1], "shear": 0}),
        ("resized_crop", {"area": [1, 1], "ratio": [1, 1]}),
    ],
)
def test_what_changes_nothing_is_refused(option, keys):
    with pytest.raises(ConfigError, match="change nothing"):
        make(option, **keys)


@pytest.mark.parametrize("keys", [{"degrees": 1}, {"translate": 0.5}, {"scale": [1, 1.5]}, {"shear": 1}])
def test_each_part_of_affine_acts_alone(keys):
    augment = make("affine", **{"degrees": 0, "translate": 0, "scale": [1, 1], "shear": 0, **keys})
    inputs = smooth_images(4)
    assert not torch.equal(change(augment, inputs, augment.parameters(4, 0, 1)), inputs)
