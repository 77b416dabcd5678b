"""The fourteen operations of RandAugment and TrivialAugment, each on the images of a batch that it is drawn for."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor
from torchvision.transforms.v2.functional import equalize

from dlexp.contract import Images
from dlexp.parts.augment.colors import Factors, Pixels, adjust_brightness, adjust_contrast, adjust_saturation, blend
from dlexp.parts.augment.pixels import WHITE, to_raw
from dlexp.parts.augment.warp import Interpolation, Numbers, invert, warp

MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
BLENDS = ("brightness", "color", "contrast", "sharpness")
OPERATIONS = ("identity", *MOVES, *BLENDS, "posterize", "solarize", "auto_contrast", "equalize")
BINS = 31  # levels of each operation, from the weakest to the strongest


class Strengths(NamedTuple):
    """What the strongest level of each operation is; solarize inverts all pixels then, and the last two have no level.

    Args:
        shear: Pixels along one side for each pixel along the other.
        translate: Shares of the image's side, or pixels if `translate_by_pixels`.
        translate_by_pixels: Which of the two.
        rotate: Degrees.
        blend: How far brightness, color, contrast and sharpness move from the factor 1.
        posterize: Bits of each pixel that are set to 0.
    """

    shear: float
    translate: float
    translate_by_pixels: bool
    rotate: float
    blend: float
    posterize: int


class Drawn(NamedTuple):
    """What happens to each image of a batch.

    Args:
        operations: Positions in `OPERATIONS`.
        levels: From 0 to 1, that of the strongest.
        signs: 1 or -1, the direction of `MOVES` and `BLENDS`.
    """

    operations: Int64[Tensor, " batch"]
    levels: Float[Tensor, " batch"]
    signs: Float[Tensor, " batch"]

    def select(self, rows: Tensor) -> "Drawn":
        """The same of some images."""
        return Drawn(self.operations[rows], self.levels[rows], self.signs[rows])


def draw_operations(num_examples: int, draw: torch.Generator) -> Tensor:
    """Draw an operation and a direction for each example: int16 [N, 2], the direction 0 or 1."""
    chosen = torch.randint(0, len(OPERATIONS), (num_examples, 1), generator=draw, dtype=torch.int16)
    return torch.cat([chosen, torch.randint(0, 2, (num_examples, 1), generator=draw, dtype=torch.int16)], dim=1)


def operate(inputs: Images, drawn: Drawn, strengths: Strengths, interpolation: Interpolation) -> Images:
    """Apply to each image its operation. Each operation works on all of its images at once."""
    first = OPERATIONS.index(MOVES[0])
    outputs = inputs.clone()
    moved = ((drawn.operations >= first) & (drawn.operations < first + len(MOVES))).nonzero()[:, 0]
    if len(moved):
        matrices = _find_matrices(drawn.select(moved), strengths, inputs.shape)
        outputs[moved] = warp(inputs[moved], matrices, interpolation)
    for name in OPERATIONS[first + len(MOVES) :]:
        rows = (drawn.operations == OPERATIONS.index(name)).nonzero()[:, 0]
        if len(rows):
            changed = _change_colors(name, inputs[rows].float(), drawn.select(rows), strengths)
            outputs[rows] = to_raw(changed, inputs.dtype)
    return outputs


def _find_matrices(drawn: Drawn, strengths: Strengths, shape: torch.Size) -> Float[Tensor, "batch 2 3"]:
    """The matrices of `warp` for images that one of `MOVES` is drawn for."""
    signed = drawn.levels * drawn.signs

    def amounts(name: str, strongest: float) -> Numbers:
        return torch.where(drawn.operations == OPERATIONS.index(name), signed * strongest, 0.0)

    sides = (1, 1) if strengths.translate_by_pixels else (shape[3], shape[2])
    shift = [amounts(name, strengths.translate * side) for name, side in zip(MOVES[2:4], sides, strict=True)]
    shear = torch.stack([amounts(name, strengths.shear) for name in MOVES[:2]], dim=1).atan()
    matrices = invert(
        -amounts("rotate", strengths.rotate),  # counter-clockwise
        shift=torch.stack(shift, dim=1).trunc(),
        scale=torch.ones_like(signed),
        shear=torch.rad2deg(shear),
    )
    # A shear leaves the upper left corner where it is, not the centre.
    corner = torch.tensor([-shape[3] / 2, -shape[2] / 2], device=signed.device)
    matrices[:, :, 2] += (shear != 0).any(1)[:, None] * (corner - (matrices[:, :, :2] * corner).sum(2))
    return matrices


def _change_colors(name: str, images: Pixels, drawn: Drawn, strengths: Strengths) -> Pixels:
    factors = 1 + drawn.levels * drawn.signs * strengths.blend
    levels = drawn.levels[:, None, None, None]
    match name:
        case "brightness":
            return adjust_brightness(images, factors)
        case "color":
            return adjust_saturation(images, factors)
        case "contrast":
            return adjust_contrast(images, factors)
        case "sharpness":
            return _adjust_sharpness(images, factors)
        case "posterize":
            step = 2.0 ** (strengths.posterize * levels).round()
            return (images / step).floor() * step
        case "solarize":
            return torch.where(images >= WHITE - WHITE * levels, WHITE - images, images)
        case "auto_contrast":
            return _stretch(images)
    return equalize(images.round().to(torch.uint8)).float()


def _adjust_sharpness(images: Pixels, factors: Factors) -> Pixels:
    """Move each pixel away from a mean of it and its eight neighbours. The outermost pixels, which lack neighbours, stay."""
    if min(images.shape[2:]) <= 2:
        return images
    weights = torch.ones(3, 3, device=images.device)
    weights[1, 1] = 5
    channels = images.shape[1]
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(images, (weights / 13).expand(channels, 1, 3, 3), groups=channels)
    return blend(images, smooth, factors)


def _stretch(images: Pixels) -> Pixels:
    """Stretch each channel so that it goes from 0 to 255; one that has a single value stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) * (WHITE / (high - low).clamp_min(1e-6)), images)
