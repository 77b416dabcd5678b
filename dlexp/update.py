"""One update of the parameters from one batch: forward, backward, clipping, optimizer."""

from functools import partial

import torch
from torch import Tensor, nn

from dlexp.microbatch import LEAST, MicroBatches, Part, mark
from dlexp.precision import Precision
from dlexp.score import Score


class Update:
    """Takes a batch (inputs, targets), and changes the model.

    Args:
        model: On its device, parameters in float32.
        loss: Mean over the batch.
        optimizer: Over the parameters of `model`.
        precision: Format of the forward pass, and its scaler.
        score: What is counted of the outputs beside the loss.
        grad_clip, l1, l2, on_oom: As of `Learner`.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        score: Score,
        *,
        grad_clip: float | None,
        l1: float,
        l2: float,
        on_oom: str,
    ) -> None:
        self.model, self.loss, self.optimizer, self.precision, self.score = model, loss, optimizer, precision, score
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.grad_clip, self.l1, self.l2 = grad_clip, l1, l2
        self.microbatches = MicroBatches(LEAST[on_oom])

    def __call__(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Update the parameters; nothing in here waits for the device, and a device can replay it.

        Returns:
            Loss, score and gradient norm of the batch, on the device.
        """
        scaler = self.precision.scaler
        loss, score = self.microbatches(self._differentiate, inputs, targets, partial(mark, self.model, self.optimizer))
        scaler.unscale_(self.optimizer)
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        if self.grad_clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.grad_clip, norm)
        scaler.step(self.optimizer)
        scaler.update()
        return loss, score, norm

    def _differentiate(self, parts: list[Part]) -> tuple[Tensor, Tensor]:
        """Leave the gradient of a batch in the parameters, that of each part weighted by its share of the examples.

        Returns:
            Loss and score of the batch, on the device.
        """
        self.optimizer.zero_grad(set_to_none=True)
        num_examples = sum(len(targets) for _, targets in parts)
        losses: list[Tensor] = []
        scores: list[Tensor] = []
        for inputs, targets in parts:
            with self.precision.autocast:
                outputs = self.model(inputs)
            outputs = outputs.float()
            loss = self.loss(outputs, targets)
            if len(parts) > 1:
                loss = loss * (len(targets) / num_examples)
            penalised = (self.l1 or self.l2) and not losses  # once a batch
            self.precision.scaler.scale(loss + self.penalty() if penalised else loss).backward()
            losses.append(loss.detach())
            scores.append(self.score.of_batch(outputs, targets))
        return sum(losses[1:], losses[0]), sum(scores[1:], scores[0])

    def penalty(self) -> Tensor:
        """`l1 * sum |p| + l2 * sum p²`: added to the loss that is differentiated, never to the loss that is reported."""
        flat = torch.cat([parameter.flatten() for parameter in self.parameters])
        return self.l1 * flat.abs().sum() + self.l2 * flat.square().sum()
