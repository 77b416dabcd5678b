"""RandAugment and TrivialAugment, compared with torchvision's image by image."""

import pytest
import torch
from torchvision.transforms import v2

from dlexp.contract import ConfigError
from dlexp.parts.augment.operations import OPERATIONS
from tests.parts.augment.images import change, images, make, smooth_images

# The names in torchvision, in the order of OPERATIONS.
FIRST = ("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")
NAMES = (*FIRST, "Posterize", "Solarize", "AutoContrast", "Equalize")
EXACT = ("identity", "posterize", "solarize", "equalize")


def apply_torchvision(transform, image, operation, level, positive):
    """What torchvision's class computes for an operation, without its drawing, of pixels from 0 to 1 where it takes these."""
    magnitudes, signed = transform._AUGMENTATION_SPACE[NAMES[operation]]
    levels = magnitudes(31, *image.shape[1:])
    magnitude = 0.0 if levels is None else float(levels[level]) * (1 if positive or not signed else -1)
    if NAMES[operation].startswith("Translate"):  # torchvision's list has 15.999999 in place of 16 pixels
        magnitude = round(magnitude, 4)
    if NAMES[operation] == "Solarize":  # and thresholds of 102.00001 in place of 102
        magnitude = (30 - level) / 30
    pixels = image if OPERATIONS[operation] in EXACT else image / 255
    outputs = transform._apply_image_or_video_transform(pixels, NAMES[operation], magnitude, transform.interpolation, {})
    return outputs.float() if outputs.dtype == torch.uint8 else outputs * 255


def compare(outputs, expected, operations):
    difference = (outputs.float() - torch.stack(expected)).abs()
    for operation in operations.unique().tolist():
        own = difference[operations == operation]
        if OPERATIONS[operation] in EXACT:
            assert own.max() == 0
        else:  # a place halfway between two pixels may have another nearest one
            assert (own > 0.52).float().mean() < 0.002, OPERATIONS[operation]


@pytest.mark.parametrize("shape", [(3, 32, 24), (1, 28, 28)])
def test_trivialaugment(shape):
    augment, inputs = make("trivialaugment"), smooth_images(400, shape)
    parameters = augment.parameters(400, 0, 1)
    transform = v2.TrivialAugmentWide()
    expected = [
        apply_torchvision(transform, image, operation, level, positive)
        for image, (operation, positive, level) in zip(inputs, parameters.tolist(), strict=True)
    ]
    compare(change(augment, inputs, parameters), expected, parameters[:, 0])


@pytest.mark.parametrize("magnitude", [9, 30])
def test_randaugment(magnitude):
    augment, inputs = make("randaugment", num_ops=1, magnitude=magnitude), smooth_images(200)
    parameters = augment.parameters(200, 0, 1)
    transform = v2.RandAugment()
    expected = [
        apply_torchvision(transform, image, operation, magnitude, positive)
        for image, (operation, positive) in zip(inputs, parameters.tolist(), strict=True)
    ]
    compare(change(augment, inputs, parameters), expected, parameters[:, 0])


def test_operations_follow_each_other():
    inputs, one = smooth_images(64), make("randaugment", num_ops=1)
    two = make("randaugment", num_ops=2)
    parameters = two.parameters(64, 0, 1)
    expected = change(one, change(one, inputs, parameters[:, :2]), parameters[:, 2:])
    assert torch.equal(change(two, inputs, parameters), expected)


@pytest.mark.parametrize("option", ["randaugment", "trivialaugment"])
def test_all_operations_and_directions_are_drawn_equally_often(option):
    operations, positive = make(option).parameters(28_000, 0, 1)[:, :2].long().unbind(1)
    assert operations.bincount().tolist() == pytest.approx([2000] * 14, rel=0.08)
    assert positive.bincount().tolist() == pytest.approx([14_000] * 2, rel=0.03)


def test_levels_are_drawn_equally_often():
    levels = make("trivialaugment").parameters(31_000, 0, 1)[:, 2].long()
    assert levels.bincount().tolist() == pytest.approx([1000] * 31, rel=0.15)


@pytest.mark.parametrize("option", ["randaugment", "trivialaugment", "color_jitter"])
def test_images_of_four_channels_are_refused(option):
    keys = {"saturation": 0.0, "hue": 0.0} if option == "color_jitter" else {}
    augment = make(option, **keys)
    with pytest.raises(ConfigError, match="acts on images of one channel or three, and these have 4"):
        change(augment, images(4, (4, 8, 8)), augment.parameters(4, 0, 1))
