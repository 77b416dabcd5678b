"""What a classifier of points in the plane makes of the whole plane: `probe=[decision_boundary]`."""

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from dlexp.contract import ConfigError, Dataset, ProbeResult

CHUNK = 4096  # points classified at once


class DecisionBoundary:
    """The probability of class 1 on a grid around the training points.

    Arrays: `probability` float16 [y, x], in [0, 1]; `x` and `y`, the grid's coordinates, and `points` [N, 2] with their
    `targets` [N], the training examples: all in the units of the data set, before scaling.

    Args:
        model: That classifies.
        dataset: Of two classes of points.
        resolution: Points of the grid along each axis.
        margin: Of the grid beyond the outermost training points, in standard deviations of each coordinate.

    Raises:
        ConfigError: If the data are no such points.
    """

    def __init__(self, model: nn.Module, dataset: Dataset, *, resolution: int, margin: float) -> None:
        if dataset.input_shape != (2,) or len(dataset.classes) != 2:
            kind = f"{len(dataset.classes)} classes" if dataset.classes else "no classes"
            raise ConfigError(
                f"needs two features and two classes, and the data set has inputs of shape {list(dataset.input_shape)} and "
                f"{kind}: use dataset=moons or circles."
            )
        self.model, self.dataset = model, dataset
        points = dataset.train.inputs
        room = margin * points.std(0, correction=0)
        low, high = (points.amin(0) - room).tolist(), (points.amax(0) + room).tolist()
        self.x, self.y = (torch.linspace(*bounds, resolution) for bounds in zip(low, high, strict=True))

    def __call__(
        self, inputs: Float[Tensor, " batch *shape"], targets: Shaped[Tensor, " batch *_"], loss: nn.Module
    ) -> ProbeResult:
        """Classify the grid."""
        y, x = torch.meshgrid(self.y, self.x, indexing="ij")
        grid = torch.stack([x.flatten(), y.flatten()], dim=1)
        grid = ((grid - self.dataset.shift) * self.dataset.factor).to(inputs.device)
        with torch.no_grad():
            probability = torch.cat([self.model(some).softmax(1)[:, 1] for some in grid.split(CHUNK)])
        arrays = {
            "probability": probability.view(len(self.y), len(self.x)).cpu().numpy().astype(np.float16),
            "x": self.x.numpy(),
            "y": self.y.numpy(),
            "points": self.dataset.train.inputs.numpy(),
            "targets": self.dataset.train.targets.numpy().astype(np.uint8),
        }
        return ProbeResult([], arrays)
