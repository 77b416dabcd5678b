import pytest
import torch
from torchvision.transforms.v2 import functional

from dlexp.contract import ConfigError
from tests.parts.augment.images import change, images, make


def test_equals_torchvision_image_by_image():
    augment, inputs = make("flip", horizontal=0.5, vertical=0.4), images(64)
    parameters = augment.parameters(64, 0, 1)
    outputs = change(augment, inputs, parameters)
    for image, output, (sideways, upside_down) in zip(inputs, outputs, parameters.tolist(), strict=True):
        expected = functional.horizontal_flip(image) if sideways else image
        assert torch.equal(output, functional.vertical_flip(expected) if upside_down else expected)


@pytest.mark.parametrize(("horizontal", "vertical"), [(0.5, 0.0), (0.2, 0.7), (0.0, 1.0)])
def test_images_are_mirrored_with_the_given_probabilities(horizontal, vertical):
    shares = make("flip", horizontal=horizontal, vertical=vertical).parameters(20_000, 0, 1).float().mean(0)
    assert shares.tolist() == pytest.approx([horizontal, vertical], abs=0.015)


def test_a_flip_that_never_happens_is_refused():
    with pytest.raises(ConfigError, match="horizontal=0 and vertical=0 change nothing"):
        make("flip", horizontal=0.0, vertical=0.0)
