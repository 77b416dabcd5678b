import pytest
import torch
from torchvision.transforms.v2 import functional

from dlexp.contract import ConfigError
from tests.parts.augment.images import change, images, make


@pytest.mark.parametrize(("padding_mode", "name"), [("zeros", "constant"), ("reflect", "reflect")])
def test_equals_torchvision_image_by_image(padding_mode, name):
    augment, inputs = make("crop", padding=3, padding_mode=padding_mode), images(64)
    parameters = augment.parameters(64, 0, 1)
    outputs = change(augment, inputs, parameters)
    for image, output, (dy, dx) in zip(inputs, outputs, parameters.tolist(), strict=True):
        padded = functional.pad(image, [3], padding_mode=name)
        assert torch.equal(output, functional.crop(padded, dy, dx, *image.shape[1:]))


def test_offsets_take_all_values_equally_often():
    counts = make("crop", padding=2).parameters(10_000, 0, 1).flatten().long().bincount()
    assert counts.tolist() == pytest.approx([4000] * 5, rel=0.06)


def test_a_border_as_wide_as_the_image_is_refused():
    augment = make("crop", padding=7)
    with pytest.raises(ConfigError, match=r"augment\.padding: expected less than the images' shorter side, 7, got 7"):
        change(augment, images(), augment.parameters(16, 0, 1))
