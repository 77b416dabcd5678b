"""One update of the parameters from one batch: forward, backward, clipping, optimizer."""

from functools import partial

import torch
from torch import Tensor, nn

from dlexp.machine.precision import Precision
from dlexp.training.microbatch import LEAST, MicroBatches, Part, mark
from dlexp.training.scores import Score


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
        if self.microbatches.least is None:
            self.optimizer.zero_grad(set_to_none=True)
            loss, score = self._differentiate(inputs, targets)
        else:
            before = partial(mark, self.model, self.optimizer)
            loss, score = self.microbatches(self._differentiate_all, inputs, targets, before)
        scaler.unscale_(self.optimizer)
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        if self.grad_clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.grad_clip, norm)
        scaler.step(self.optimizer)
        scaler.update()
        return loss, score, norm

    def _differentiate_all(self, parts: list[Part]) -> tuple[Tensor, Tensor]:
        """Leave the gradient of a batch in the parameters, that of each part weighted by its share of the examples.

        Returns:
            Loss and score of the batch, on the device.
        """
        self.optimizer.zero_grad(set_to_none=True)
        num_examples = sum(len(targets) for _, targets in parts)
        measured = [
            self._differentiate(inputs, targets, share=len(targets) / num_examples, penalised=number == 0)
            for number, (inputs, targets) in enumerate(parts)
        ]
        losses, scores = zip(*measured, strict=True)
        return sum(losses[1:], losses[0]), sum(scores[1:], scores[0])

    def _differentiate(
        self, inputs: Tensor, targets: Tensor, *, share: float = 1.0, penalised: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of `share` times the loss, and where `penalised` that of the penalty.

        Returns:
            That loss and the score, on the device.
        """
        with self.precision.autocast:
            outputs = self.model(inputs)
        outputs = outputs.float()
        loss = self.loss(outputs, targets)
        if share != 1:
            loss = loss * share
        penalised = penalised and bool(self.l1 or self.l2)
        self.precision.scaler.scale(loss + self.penalty() if penalised else loss).backward()
        return loss.detach(), self.score.of_batch(outputs, targets)

    def penalty(self) -> Tensor:
        """`l1 * sum |p| + l2 * sum p²`: added to the loss that is differentiated, never to the loss that is reported."""
        flat = torch.cat([parameter.flatten() for parameter in self.parameters])
        return self.l1 * flat.abs().sum() + self.l2 * flat.square().sum()
