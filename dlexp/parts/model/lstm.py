"""Long short-term memory: `model=lstm`."""

from contextlib import nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LSTM(nn.Module):
    """LSTM layers over a series, and a linear head on the last step, which is always computed in float32.

    Args:
        input_shape: Shape of one series, (T, F): steps and features.
        num_outputs: Number of outputs K.
        depth: Number of layers, at least 1.
        width: Hidden units of each layer.
        dropout: Probability of zeroing an output of a layer that is the input of the next layer.
        cell: `fused`: torch's LSTM, one call for all steps; `loop`: the same computation, step by step in Python.

    Shape:
        inputs [B, T, F], outputs [B, K].

    Raises:
        ValueError: If the inputs are not series, or there is no layer.

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
        """Return logits, or predicted numbers."""
        # cuDNN has no gradient in eval mode, but probes need one there.
        without_cudnn = inputs.is_cuda and torch.is_grad_enabled() and not self.training
        outputs = self._loop(inputs) if self.cell == "loop" or without_cudnn else self.lstm(inputs)[0]
        # Entered only within an autocast, because torch.export cannot export one.
        is_mixed = not inputs.is_meta and torch.is_autocast_enabled(inputs.device.type)
        with torch.autocast(inputs.device.type, enabled=False) if is_mixed else nullcontext():
            return self.head(outputs[:, -1].float())

    def _loop(self, inputs: Tensor) -> Tensor:
        """Compute `self.lstm` in Python: all outputs of the last layer, [B, T, width]."""
        outputs = inputs
        for layer in range(self.lstm.num_layers):
            if layer:
                outputs = F.dropout(outputs, self.lstm.dropout, self.training)
            input_weight, hidden_weight, input_bias, hidden_bias = self.lstm.all_weights[layer]
            hidden = state = inputs.new_zeros(inputs.shape[0], self.lstm.hidden_size)
            steps = []
            for step in outputs.unbind(1):
                gates = F.linear(step, input_weight, input_bias) + F.linear(hidden, hidden_weight, hidden_bias)
                input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)
                state = forget_gate.sigmoid() * state + input_gate.sigmoid() * candidate.tanh()
                hidden = output_gate.sigmoid() * state.tanh()
                steps.append(hidden)
            outputs = torch.stack(steps, dim=1)
        return outputs
