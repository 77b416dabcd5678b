"""Dead units of each activation layer: `probe=[dead_units]`."""

from torch import Tensor, nn

from dlexp.contract import Dataset, Inputs, ProbeResult, Targets
from dlexp.parts.probe.layers import find_activation_layers, observe_layers


class DeadUnits:
    """Two shares, in [0, 1], of each activation layer; nan if an output is not finite.

    `dead`: units whose output is never above 0 in the batch. In images a unit is a channel, with all its positions.
    `nonpositive`: entries (example x unit x position) whose output is 0 or less. The homework's documents call this the dead
    ReLU ratio. It is about one half in a healthy ReLU layer, and it counts the negative outputs of a leaky ReLU.

    Both are 0 for a sigmoid, which is always above 0.
    """

    def __init__(self, model: nn.Module, dataset: Dataset) -> None:
        self.model, self.layers = model, find_activation_layers(model)

    def __call__(self, inputs: Inputs, targets: Targets, loss: nn.Module) -> ProbeResult:
        """Measure each activation layer."""
        scalars: list[tuple[str, str, float]] = []

        def measure(path: str, layer: nn.Module, layer_inputs: Tensor, outputs: Tensor) -> None:
            dead = nonpositive = float("nan")
            if outputs.isfinite().all():
                alive = (outputs > 0).transpose(0, 1).flatten(1).any(1)
                dead = int((~alive).sum()) / len(alive)
                nonpositive = int((outputs <= 0).sum()) / outputs.numel()
            scalars.extend([(path, "dead", dead), (path, "nonpositive", nonpositive)])

        observe_layers(self.model, self.layers, inputs, measure)
        return ProbeResult(scalars, {})
