"""Images for the tests of augmentations, and the augmentations as their files give them."""

import torch

from dlexp.config.compose import compose
from dlexp.config.options import groups
from dlexp.run.setup.factories import make_factory

MIXING = ("mixup", "cutmix")
ALONE = [option for option in groups()["augment"] if option not in ("none", *MIXING)]  # change each image by itself


def images(num_examples=16, shape=(3, 9, 7), dtype=torch.uint8):
    """Random images."""
    return torch.randint(0, 256, (num_examples, *shape), generator=torch.Generator().manual_seed(0)).to(dtype)


def smooth_images(num_examples=16, shape=(3, 32, 24)):
    """Images that change slowly from pixel to pixel, as photographs do."""
    small = torch.rand(num_examples, shape[0], 5, 4, generator=torch.Generator().manual_seed(0)) * 255
    return torch.nn.functional.interpolate(small, shape[1:], mode="bicubic").clamp(0, 255).round().to(torch.uint8)


def make(option, **keys):
    """The augmentation with the keys of its file, except for those that are given."""
    own = compose([f"augment={option}"]).config["augment"]
    return make_factory({"augment": {**own, **keys}}, "augment")()


def change(augment, inputs, parameters):
    """The changed images; the targets must come back as they were."""
    targets = torch.arange(len(inputs), device=inputs.device)
    outputs, unchanged = augment(inputs, targets, parameters)
    assert unchanged is targets
    return outputs
