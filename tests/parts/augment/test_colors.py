"""The augmentations that change colours: color_jitter and grayscale, compared with torchvision image by image."""

import pytest
import torch
from torchvision.transforms.v2 import functional

from dlexp.contract import ConfigError
from tests.parts.augment.images import change, images, make, smooth_images

ADJUST = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
)
KEYS = ("brightness", "contrast", "saturation", "hue")


def compare(outputs, expected):
    assert (outputs.float() - torch.stack(expected) * 255).abs().max() <= 0.52


@pytest.mark.parametrize("only", [*KEYS, None])
@pytest.mark.parametrize("pixels", [images, smooth_images])
def test_color_jitter(pixels, only):
    strengths = {key: 0.4 if only in (key, None) else 0.0 for key in KEYS}
    augment, inputs = make("color_jitter", **strengths), pixels(64)
    parameters = augment.parameters(64, 0, 1)
    expected = []
    for image, changes in zip(inputs, parameters.tolist(), strict=True):
        image = image / 255
        for adjust, change_by, strength in zip(ADJUST, changes, strengths.values(), strict=True):
            image = adjust(image, change_by) if strength else image
        expected.append(image)
    compare(change(augment, inputs, parameters), expected)


def test_factors_fill_their_ranges():
    drawn = make("color_jitter", brightness=2.0, contrast=0.5, saturation=0.1, hue=0.2).parameters(20_000, 0, 1)
    low, high = torch.tensor([0.0, 0.5, 0.9, -0.2]), torch.tensor([3.0, 1.5, 1.1, 0.2])
    torch.testing.assert_close(drawn.amin(0), low, atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.amax(0), high, atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.mean(0), (low + high) / 2, atol=0.03, rtol=0)


def test_grayscale():
    augment, inputs = make("grayscale", p=0.4), images(500)
    parameters = augment.parameters(500, 0, 1)
    assert parameters.float().mean().item() == pytest.approx(0.4, abs=0.06)
    expected = [
        functional.rgb_to_grayscale(image / 255, num_output_channels=3) if is_grey else image / 255
        for image, (is_grey,) in zip(inputs, parameters.tolist(), strict=True)
    ]
    compare(change(augment, inputs, parameters), expected)


@pytest.mark.parametrize(
    ("option", "keys", "message"),
    [
        ("color_jitter", {}, r"augment\.saturation: acts on images of three channels, and these have 1"),
        ("color_jitter", {"saturation": 0.0}, r"augment\.hue: acts on images of three channels, and these have 1"),
        ("grayscale", {"p": 1.0}, "augment=grayscale: acts on images of three channels, and these have 1: leave it out"),
    ],
)
def test_colours_of_grey_images_are_refused(option, keys, message):
    augment = make(option, **keys)
    with pytest.raises(ConfigError, match=message):
        change(augment, images(4, (1, 8, 8)), augment.parameters(4, 0, 1))


def test_grey_images_change_their_brightness_and_contrast():
    augment, inputs = make("color_jitter", saturation=0.0, hue=0.0), smooth_images(8, (1, 8, 8))
    parameters = augment.parameters(8, 0, 1)
    expected = [
        functional.adjust_contrast(functional.adjust_brightness(image / 255, brightness), contrast)
        for image, (brightness, contrast, *_) in zip(inputs, parameters.tolist(), strict=True)
    ]
    compare(change(augment, inputs, parameters), expected)


def test_a_jitter_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="changes nothing"):
        make("color_jitter", brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
