"""Distribution of the outputs of each activation layer: `probe=[activation_stats]`."""

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from dlexp.contract import Dataset, ProbeResult
from dlexp.parts.probe.layers import activation_layers, look_into


class ActivationStats:
    """Mean, standard deviation, saturation and histogram of all outputs (example x unit x position) of each activation layer.

    `mean`, `sd`: In units of the output.
    `saturation`: Share, in [0, 1], of the entries where the activation is flat, |derivative| < `flat`: both tails of a sigmoid
    or tanh, the negative side of a ReLU.
    Arrays `<layer>/density` [bins] and `<layer>/edges` [bins + 1]: over the range of the outputs; the area is 1.

    Where an output is not finite the numbers are nan, and there is no histogram.

    Args:
        model: Whose layers are measured.
        dataset: Not needed.
        bins: Of the histogram.
        flat: Largest |derivative| that counts as flat; the derivative of a sigmoid is at most 0.25.
    """

    def __init__(self, model: nn.Module, dataset: Dataset, *, bins: int, flat: float) -> None:
        self.model, self.layers = model, activation_layers(model)
        self.bins, self.flat = bins, flat

    def __call__(
        self, inputs: Float[Tensor, " batch *shape"], targets: Shaped[Tensor, " batch *_"], loss: nn.Module
    ) -> ProbeResult:
        """Look at each activation layer once."""
        scalars: list[tuple[str, str, float]] = []
        arrays: dict[str, np.ndarray] = {}

        def look(path: str, layer: nn.Module, given: Tensor, outputs: Tensor) -> None:
            mean = sd = saturation = float("nan")
            if outputs.isfinite().all():
                mean = float(outputs.mean(dtype=torch.float64))
                sd = float((outputs - mean).square().mean(dtype=torch.float64).sqrt())
                saturation = int((_slopes(layer, given).abs() < self.flat).sum()) / outputs.numel()
                arrays[f"{path}/density"], arrays[f"{path}/edges"] = histogram(outputs, self.bins)
            scalars.extend([(path, "mean", mean), (path, "sd", sd), (path, "saturation", saturation)])

        look_into(self.model, self.layers, inputs, look)
        return ProbeResult(scalars, arrays)


def _slopes(layer: nn.Module, given: Tensor) -> Tensor:
    """The derivative of an activation, which acts on each entry by itself, at what it was given."""
    with torch.enable_grad():
        given = given.detach().requires_grad_()
        outputs = layer.forward(given)  # not layer(): the hook that brought us here would call us again
        return torch.autograd.grad(outputs.sum(), given)[0]


def histogram(values: Tensor, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Density and edges of equal bins from the lowest value to the highest."""
    low, high = (np.float64(float(bound)) for bound in values.aminmax())  # in float32 the edges of close values fall together
    density, edges = np.histogram(values.cpu().numpy(), bins, range=(low, high), density=True)
    return density.astype(np.float32), edges
