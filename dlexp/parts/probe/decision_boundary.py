"""The prediction of a classifier of points in the plane, on a grid over the plane: `probe=[decision_boundary]`."""

import numpy as np
import torch
from torch import nn

from dlexp.contract import ConfigError, Dataset, Inputs, ProbeResult, Targets

CHUNK = 4096  # points per batch


class DecisionBoundary:
    """The predicted probability of class 1 on a grid around the training points.

    Arrays: `probability` float16 [y, x], in [0, 1]; `x` and `y`, the coordinates of the grid; `points` [N, 2] and `targets`
    [N], the training examples. Coordinates are in the units of the data set, before scaling.

    Args:
        model: The classifier.
        dataset: Points with two features, in two classes.
        resolution: Number of grid points along each axis.
        margin: Margin of the grid around the training points, in standard deviations of each coordinate.

    Raises:
        ConfigError: If the data set has another number of features or classes.
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
        border = margin * points.std(0, correction=0)
        low, high = (points.amin(0) - border).tolist(), (points.amax(0) + border).tolist()
        self.x, self.y = (torch.linspace(*bounds, resolution) for bounds in zip(low, high, strict=True))

    def __call__(self, inputs: Inputs, targets: Targets, loss: nn.Module) -> ProbeResult:
        """Classify the grid."""
        y, x = torch.meshgrid(self.y, self.x, indexing="ij")
        grid = torch.stack([x.flatten(), y.flatten()], dim=1)
        grid = ((grid - self.dataset.shift) * self.dataset.factor).to(inputs.device)
        with torch.no_grad():
            probability = torch.cat([self.model(chunk).softmax(1)[:, 1] for chunk in grid.split(CHUNK)])
        arrays = {
            "probability": probability.view(len(self.y), len(self.x)).cpu().numpy().astype(np.float16),
            "x": self.x.numpy(),
            "y": self.y.numpy(),
            "points": self.dataset.train.inputs.numpy(),
            "targets": self.dataset.train.targets.numpy().astype(np.uint8),
        }
        return ProbeResult([], arrays)
