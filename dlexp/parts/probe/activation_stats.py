"""Distribution of the outputs of each activation layer: `probe=[activation_stats]`."""

import numpy as np
import torch
from torch import Tensor, nn

from dlexp.contract import Dataset, Inputs, ProbeResult, Targets
from dlexp.parts.probe.layers import find_activation_layers, observe_layers


class ActivationStats:
    """Mean, standard deviation, saturation and histogram of all outputs (example x unit x position) of each activation layer.

    `mean`, `sd`: In units of the output.
    `saturation`: Share, in [0, 1], of the entries where the activation is flat, |derivative| < `flat`: both tails of a sigmoid
    or tanh, the negative side of a ReLU.
    Arrays `<layer>/density` [bins] and `<layer>/edges` [bins + 1]: histogram over the range of the outputs; its area is 1.

    If an output is not finite, the scalars are nan and there is no histogram.

    Args:
        model: The model to measure.
        dataset: Not used.
        bins: Number of bins of the histogram.
        flat: Limit of |derivative|, below which an activation is flat. The derivative of a sigmoid is at most 0.25.
    """

    def __init__(self, model: nn.Module, dataset: Dataset, *, bins: int, flat: float) -> None:
        self.model, self.layers = model, find_activation_layers(model)
        self.bins, self.flat = bins, flat

    def __call__(self, inputs: Inputs, targets: Targets, loss: nn.Module) -> ProbeResult:
        """Measure each activation layer."""
        scalars: list[tuple[str, str, float]] = []
        arrays: dict[str, np.ndarray] = {}

        def measure(path: str, layer: nn.Module, layer_inputs: Tensor, outputs: Tensor) -> None:
            mean = sd = saturation = float("nan")
            if outputs.isfinite().all():
                mean = float(outputs.mean(dtype=torch.float64))
                sd = float((outputs - mean).square().mean(dtype=torch.float64).sqrt())
                saturation = int((_differentiate(layer, layer_inputs).abs() < self.flat).sum()) / outputs.numel()
                arrays[f"{path}/density"], arrays[f"{path}/edges"] = make_histogram(outputs, self.bins)
            scalars.extend([(path, "mean", mean), (path, "sd", sd), (path, "saturation", saturation)])

        observe_layers(self.model, self.layers, inputs, measure)
        return ProbeResult(scalars, arrays)


def _differentiate(layer: nn.Module, layer_inputs: Tensor) -> Tensor:
    """Compute the derivative of an elementwise activation at its inputs."""
    with torch.enable_grad():
        layer_inputs = layer_inputs.detach().requires_grad_()
        outputs = layer.forward(layer_inputs)  # not layer(...), which would call the hook again
        return torch.autograd.grad(outputs.sum(), layer_inputs)[0]


def make_histogram(values: Tensor, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute density and edges of equal bins from the lowest to the highest value."""
    low, high = (np.float64(float(bound)) for bound in values.aminmax())  # float32 edges of close values would be equal
    density, edges = np.histogram(values.cpu().numpy(), bins, range=(low, high), density=True)
    return density.astype(np.float32), edges
