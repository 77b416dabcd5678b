"""Long short-term memory: `model=lstm`."""

from contextlib import nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LSTM(nn.Module):
    """Layers of LSTM over a series, and a linear head on the last step, in float32 whatever the precision.

    Args:
        input_shape: Shape of one series, (T, F): steps and features.
        num_outputs: Number of outputs K.
        depth: Number of layers, at least 1.
        width: Hidden units of each layer.
        dropout: Probability with which an output of a layer is zeroed on its way to the next.
        cell: `fused`: torch's own LSTM, one call for all steps; `loop`: the same parameters, one step after the other.

    Shape:
        inputs [B, T, F], outputs [B, K].

    Raises:
        ValueError: If there is no series or no layer.

    Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; both biases as in cuDNN.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        depth: int,
        width: int,
        dropout: float,
        cell: Literal["fused", "loop"],
    ) -> None:
        super().__init__()
        if len(input_shape) != 2:
            raise ValueError(f"model=lstm needs a series [T, F]; dataset gives {list(input_shape)}: use dataset=sine.")
        if not depth:
            raise ValueError("model=lstm needs at least one layer, got none: use depth=1 or more.")
        self.lstm = nn.LSTM(input_shape[1], width, depth, batch_first=True, dropout=dropout)
        self.head = nn.Linear(width, num_outputs)
        self.cell = cell

    def forward(self, inputs: Float[Tensor, "batch steps features"]) -> Float[Tensor, "batch outputs"]:
        """Logits, or predicted numbers."""
        # cuDNN has no gradient in eval mode, where probes ask for one.
        without_cudnn = inputs.is_cuda and torch.is_grad_enabled() and not self.training
        outputs = self._loop(inputs) if self.cell == "loop" or without_cudnn else self.lstm(inputs)[0]
        with nullcontext() if inputs.is_meta else torch.autocast(inputs.device.type, enabled=False):
            return self.head(outputs[:, -1].float())

    def _loop(self, inputs: Tensor) -> Tensor:
        """What `self.lstm` computes, in Python: all outputs of the last layer, [B, T, width]."""
        outputs = inputs
        for layer in range(self.lstm.num_layers):
            if layer:
                outputs = F.dropout(outputs, self.lstm.dropout, self.training)
            into, back, into_bias, back_bias = self.lstm.all_weights[layer]
            hidden = state = inputs.new_zeros(len(inputs), self.lstm.hidden_size)
            steps = []
            for step in outputs.unbind(1):
                gates = F.linear(step, into, into_bias) + F.linear(hidden, back, back_bias)
                entry, forget, candidate, exit_ = gates.chunk(4, dim=1)
                state = forget.sigmoid() * state + entry.sigmoid() * candidate.tanh()
                hidden = exit_.sigmoid() * state.tanh()
                steps.append(hidden)
            outputs = torch.stack(steps, dim=1)
        return outputs
