"""The augmentations that fill rectangles: cutout and erasing."""

import math

import pytest
import torch
from torchvision.transforms.v2 import functional

from dlexp.contract import ConfigError
from tests.parts.augment.images import change, images, make

SHAPE = (3, 12, 9)


@pytest.mark.parametrize(("size", "value"), [(4, 0), (5, 200), (1, 7)])
def test_cutout_fills_a_square_as_torchvision_erases_it(size, value):
    augment, inputs = make("cutout", size=size, value=value), images(64, SHAPE)
    parameters = augment.parameters(64, 0, 1)
    outputs = change(augment, inputs, parameters)
    for image, output, (y, x) in zip(inputs, outputs, parameters.tolist(), strict=True):
        top, left = math.floor(y * 12) - size // 2, math.floor(x * 9) - size // 2
        bottom, right, top, left = top + size, left + size, max(0, top), max(0, left)
        filled = torch.tensor(value, dtype=torch.uint8)
        assert torch.equal(output, functional.erase(image, top, left, bottom - top, right - left, filled))


def test_cutout_reaches_every_pixel():
    ones = torch.ones(2000, 1, 6, 5)
    augment = make("cutout", size=1)
    filled = (change(augment, ones, augment.parameters(2000, 0, 1)) == 0).float()
    assert filled.sum(dim=(1, 2, 3)).eq(1).all()
    assert filled.mean(0).min() > 0.5 / 30


@pytest.mark.parametrize("value", [0, 90])
def test_erasing_fills_the_rectangle_that_torchvision_would(value):
    augment, inputs = make("erasing", value=value), images(64, SHAPE)
    parameters = augment.parameters(64, 0, 1)
    outputs = change(augment, inputs, parameters)
    for image, output, (whether, area, ratio, y, x) in zip(inputs, outputs, parameters.tolist(), strict=True):
        pixels = (0.02 + 0.31 * area) * 108
        quotient = math.exp(math.log(0.3) + ratio * math.log(11))
        height, width = round(math.sqrt(pixels * quotient)), round(math.sqrt(pixels / quotient))
        height, width = min(max(height, 1), 12), min(max(width, 1), 9)
        place = math.floor(y * (13 - height)), math.floor(x * (10 - width)), height, width
        expected = functional.erase(image, *place, torch.tensor(value, dtype=torch.uint8)) if whether < 0.5 else image
        assert torch.equal(output, expected)


def test_erasing_changes_the_given_share_of_images_and_of_their_area():
    ones, augment = torch.ones(4000, 1, 32, 32), make("erasing", p=0.25, area=[0.1, 0.3], ratio=[0.5, 2.0])
    filled = (change(augment, ones, augment.parameters(4000, 0, 1)) == 0).float().mean(dim=(1, 2, 3))
    assert (filled > 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert filled[filled > 0].mean().item() == pytest.approx(0.2, abs=0.01)
    assert filled[filled > 0].min() > 0.09
    assert filled.max() < 0.32


def test_a_square_larger_than_the_image_is_refused():
    augment = make("cutout", size=10)
    with pytest.raises(ConfigError, match=r"augment\.size: expected at most the images' shorter side, 9, got 10"):
        change(augment, images(16, SHAPE), augment.parameters(16, 0, 1))


@pytest.mark.parametrize("key", ["area", "ratio"])
def test_a_range_in_the_wrong_order_is_refused(key):
    with pytest.raises(ConfigError, match=rf"augment\.{key}: expected the smallest number first, got \[0\.5, 0\.2\]"):
        make("erasing", **{key: [0.5, 0.2]})
