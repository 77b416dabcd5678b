"""Dead units of each activation layer: `probe=[dead_units]`."""

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from dlexp.contract import Dataset, ProbeResult
from dlexp.parts.probe.layers import activation_layers, look_into


class DeadUnits:
    """Two shares, in [0, 1], of each activation layer; nan where an output is not finite.

    `dead`: units whose output is above 0 for no example of the batch. A unit of images is a channel: above 0 for no example at
    any position.
    `nonpositive`: entries (example x unit x position) whose output is 0 or less. What the homework's documents call their dead
    ReLU ratio: about a half in a healthy ReLU layer, and it counts the negative outputs of a leaky ReLU.

    A sigmoid is above 0 everywhere: both are 0.
    """

    def __init__(self, model: nn.Module, dataset: Dataset) -> None:
        self.model, self.layers = model, activation_layers(model)

    def __call__(
        self, inputs: Float[Tensor, " batch *shape"], targets: Shaped[Tensor, " batch *_"], loss: nn.Module
    ) -> ProbeResult:
        """Look at each activation layer once."""
        scalars: list[tuple[str, str, float]] = []

        def look(path: str, layer: nn.Module, given: Tensor, outputs: Tensor) -> None:
            dead = nonpositive = float("nan")
            if outputs.isfinite().all():
                alive = (outputs > 0).transpose(0, 1).flatten(1).any(1)
                dead = int((~alive).sum()) / len(alive)
                nonpositive = int((outputs <= 0).sum()) / outputs.numel()
            scalars.extend([(path, "dead", dead), (path, "nonpositive", nonpositive)])

        look_into(self.model, self.layers, inputs, look)
        return ProbeResult(scalars, {})
