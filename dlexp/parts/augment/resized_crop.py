"""Enlarge a random part of each image: `augment=resized_crop`."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dlexp.contract import ConfigError, Images, Targets
from dlexp.data.random_streams import make_generator
from dlexp.parts.augment.rectangles import check_range, choose, draw_sides
from dlexp.parts.augment.warp import sample


class ResizedCrop:
    """Crop a rectangle of random size, shape and place within each image, and resize it to the size of the image, bilinearly.

    Its area is uniform on a part of the image's area, the logarithm of height / width on a range, and its place on all places
    within the image.

    Args:
        area: Smallest and largest area, as shares of the image's.
        ratio: Smallest and largest height / width.

    Shape:
        inputs [B, C, H, W], raw pixels; parameters [B, 4], each uniform on [0, 1): area, ratio, row, column. Targets do not
        change.

    Raises:
        ConfigError: If nothing can change, or the first number of a range is above the second.

    Source: Szegedy et al. 2014, arXiv:1409.4842, section 6. Differs: a side that is longer than the image is cut to its length,
    where torchvision draws again.
    """

    def __init__(self, *, area: Sequence[float], ratio: Sequence[float]) -> None:
        check_range("area", area)
        check_range("ratio", ratio)
        if list(area) == list(ratio) == [1, 1]:
            raise ConfigError("augment=resized_crop: area=[1,1] and ratio=[1,1] change nothing: use smaller areas.")
        self.area, self.ratio = area, ratio

    def parameters(self, num_examples: int, seed: int, epoch: int) -> Float[Tensor, "num_examples 4"]:
        """Draw four numbers for each image."""
        return torch.rand(num_examples, 4, generator=make_generator(seed, "augmentation", epoch))

    def __call__(self, inputs: Images, targets: Targets, parameters: Float[Tensor, "batch 4"]) -> tuple[Images, Targets]:
        """Crop and enlarge each image."""
        area, ratio, y, x = parameters.unbind(1)
        sides = draw_sides(inputs.shape, area, ratio, self.area, self.ratio)
        rows, columns = (
            _spread(choose(drawn, size - side + 1), side, size)
            for drawn, side, size in zip((y, x), sides, inputs.shape[2:], strict=True)
        )
        grid = torch.stack(torch.broadcast_tensors(columns[:, None, :], rows[:, :, None]), dim=3)
        return sample(inputs, grid, "bilinear"), targets


def _spread(first: Tensor, length: Tensor, size: int) -> Float[Tensor, "batch size"]:
    """Spread `size` places over a part of a side of this size, from -1 to 1 between the outer edges of the whole side.

    No place is beyond the middle of the part's outermost pixels, so that what is around the part does not enter.
    """
    places = (torch.arange(size, device=first.device) + 0.5) / size * length[:, None]  # from the edge of the part, in pixels
    places = torch.minimum(places.clamp(min=0.5), length[:, None] - 0.5)
    return 2 * (first[:, None] + places) / size - 1
