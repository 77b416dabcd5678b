"""Change the colours of images, as float32 from 0 to 255."""

import torch
from jaxtyping import Float
from torch import Tensor

Pixels = Float[Tensor, "batch channels height width"]
Factors = Float[Tensor, " batch"]

GREY = (0.2989, 0.587, 0.114)  # what red, green and blue contribute to brightness


def to_grey(images: Pixels) -> Float[Tensor, "batch 1 height width"]:
    """The brightness of each pixel; images of one channel are brightness already."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    return (GREY[0] * red + GREY[1] * green + GREY[2] * blue)[:, None]


def blend(images: Pixels, others: Tensor, factors: Factors) -> Pixels:
    """Move away from other images, or towards them: others + factor * (images - others), between 0 and 255."""
    return torch.lerp(others, images, factors[:, None, None, None]).clamp_(0, 255)


def adjust_brightness(images: Pixels, factors: Factors) -> Pixels:
    """Multiply all pixels; 1 changes nothing, and 0 makes them black."""
    return (images * factors[:, None, None, None]).clamp_(0, 255)


def adjust_contrast(images: Pixels, factors: Factors) -> Pixels:
    """Move away from the image's mean brightness; 1 changes nothing."""
    return blend(images, to_grey(images).mean((1, 2, 3), keepdim=True), factors)


def adjust_saturation(images: Pixels, factors: Factors) -> Pixels:
    """Move each pixel away from its brightness; 1 changes nothing, and 0 leaves a grey image."""
    return blend(images, to_grey(images), factors)


def adjust_hue(images: Pixels, shifts: Factors) -> Pixels:
    """Turn the hues of the colour circle; saturation and the largest channel stay.

    With largest channel v and range c (chroma) of a pixel, and its hue h from 0 to 6, channel n of red, green and blue is
    v - c * clamp(min(k, 4 - k), 0, 1) with k = (o[n] + h) mod 6 and o = 5, 3, 1.

    Args:
        images: Of three channels.
        shifts: In turns of the circle, from -0.5 to 0.5.
    """
    red, green, blue = images.unbind(1)
    largest = images.amax(1)
    chroma = largest - images.amin(1)
    per_sixth = 1 / chroma.clamp_min(1e-6)  # a grey pixel has no hue: any will do
    hue = torch.where(
        largest == red,
        (green - blue) * per_sixth,
        torch.where(largest == green, 2 + (blue - red) * per_sixth, 4 + (red - green) * per_sixth),
    )
    hue = hue + 6 * shifts[:, None, None]
    k = torch.stack([hue + offset for offset in (5, 3, 1)], dim=1)
    k -= 6 * (k / 6).floor_()
    return largest[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp_(0, 1)
