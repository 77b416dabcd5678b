"""Change brightness, contrast, saturation and hue of images: `augment=color_jitter`."""

import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import ConfigError, Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.colors import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation
from dlexp.parts.augment.pixels import check_channels, to_raw

STEPS = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
}
WITHOUT_COLORS = "set augment.saturation=0 and augment.hue=0"
ADVICE = {"contrast": "set augment.contrast=0", "saturation": WITHOUT_COLORS, "hue": WITHOUT_COLORS}


class ColorJitter:
    """Change brightness, contrast, saturation and hue of each image, in this order.

    Args:
        brightness: The factor of the brightness is uniform from 1 - brightness to 1 + brightness, but at least 0.
        contrast: Likewise.
        saturation: Likewise; of images with three channels.
        hue: The hue turns by a share of the colour circle that is uniform from -hue to hue; of images with three channels.

    Shape:
        inputs [B, C, H, W], raw pixels; parameters [B, 4]: three factors and a share. Targets do not change.

    Raises:
        ConfigError: If nothing can change, or if contrast, saturation or hue cannot act on these images.

    Differs from torchvision's ColorJitter: the order is always the same.
    """

    def __init__(self, *, brightness: float, contrast: float, saturation: float, hue: float) -> None:
        self.strengths = (brightness, contrast, saturation, hue)
        if not any(self.strengths):
            raise ConfigError("augment=color_jitter: all four are 0, which changes nothing: set one of them above 0.")

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 4"]:
        """Draw the factors of brightness, contrast and saturation, and the turn of the hue."""
        drawn = torch.rand(num_examples, 4, generator=make_generator(seed, "augmentation", epoch))
        *factors, hue = self.strengths
        low = torch.tensor([max(0.0, 1 - factor) for factor in factors] + [-hue])
        high = torch.tensor([1 + factor for factor in factors] + [hue])
        return low + (high - low) * drawn

    def __call__(self, inputs: Images, targets: Targets, parameters: Float[Tensor, "batch 4"]) -> tuple[Images, Targets]:
        """Change the colours of each image."""
        images = inputs.float()
        for key, strength, change in zip(STEPS, self.strengths, parameters.unbind(1), strict=True):
            if strength > 0:
                if key != "brightness":
                    check_channels(inputs, f"augment.{key}", ADVICE[key], grey=key == "contrast")
                images = STEPS[key](images, change)
        return to_raw(images, inputs.dtype), targets
