"""One training step: forward pass, backward pass, gradient clipping and optimizer step on one batch."""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dlexp.machine.precision import Precision
from dlexp.training.microbatch import MIN_EXAMPLES, MicroBatches, Part, remember_state
from dlexp.training.scores import Score


class StepResult(NamedTuple):
    """Measurements of one step, scalars on the device.

    Args:
        loss: Mean plain loss.
        score: See `Score`.
        grad_norm: L2 norm of the gradient before clipping.
        objective: What was differentiated: the mean loss, with label smoothing, and the penalty.
        clip_measure: What clipping compares with its bound: `grad_norm`, or, where each value is clipped, the largest absolute
            value of the gradient.
    """

    loss: Tensor
    score: Tensor
    grad_norm: Tensor
    objective: Tensor
    clip_measure: Tensor


class StepSettings(NamedTuple):
    """Settings of a training step.

    Args:
        grad_clip: Largest global L2 norm of the gradient; None: no clipping.
        grad_clip_value: Largest absolute value of the gradient; larger ones are set to it. None: no clipping. Not both.
        l1: Factor of the sum of |p| over all parameters, which is added to the loss.
        l2: Factor of the sum of p² over all parameters, which is added to the loss.
        on_oom: What happens when the forward or backward pass of a batch does not fit into memory. `fail`: the error is raised.
            `microbatch`: the batch is computed in parts. `microbatch_bn`: the same for a model with batch norm. Gradient and
            loss are those of the whole batch to rounding; dropout draws other random numbers, and batch norm takes the
            statistics of each part.
    """

    grad_clip: float | None = None
    grad_clip_value: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    on_oom: str = "fail"

    @property
    def clip_bound(self) -> float | None:
        """The bound of what is clipped, `grad_clip` or `grad_clip_value`; None if nothing is."""
        return self.grad_clip if self.grad_clip_value is None else self.grad_clip_value


class TrainingStep:
    """Updates a model from one batch. Nothing in a step waits for the device.

    Args:
        model: On its device, parameters in float32.
        loss: Mean over the batch; it is minimised.
        optimizer: Over the parameters of `model`.
        precision: Number format of the forward pass, with its gradient scaler.
        score: What is summed over the batch beside the loss.
        settings: See `StepSettings`.
        plain_loss: The loss that is recorded, if it is another one, such as the loss without label smoothing.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        score: Score,
        settings: StepSettings | None = None,
        plain_loss: nn.Module | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.precision, self.score = model, loss, optimizer, precision, score
        self.settings = settings or StepSettings()
        self.plain_loss = plain_loss or loss
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.microbatches = MicroBatches(MIN_EXAMPLES[self.settings.on_oom])

    @property
    def has_objective(self) -> bool:
        """Whether what is minimised is not the recorded loss."""
        return self.plain_loss is not self.loss or self._has_penalty

    @property
    def _has_penalty(self) -> bool:
        return bool(self.settings.l1 or self.settings.l2)

    def __call__(self, inputs: Tensor, targets: Tensor) -> StepResult:
        """Update the parameters. A CUDA graph can record and replay this call."""
        scaler = self.precision.scaler
        if self.microbatches.min_examples is None:
            self.optimizer.zero_grad(set_to_none=True)
            loss, score, objective = self._backward(inputs, targets)
        else:
            remember = partial(remember_state, self.model, self.optimizer)
            loss, score, objective = self.microbatches(self._backward_parts, inputs, targets, remember)
        scaler.unscale_(self.optimizer)
        norm, clip_measure = self._clip()
        scaler.step(self.optimizer)
        scaler.update()
        return StepResult(loss, score, norm, objective, clip_measure)

    def _clip(self) -> tuple[Tensor, Tensor]:
        """Clip the gradient.

        Returns:
            Its L2 norm before, and `StepResult.clip_measure`.
        """
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.settings.grad_clip_value is not None:
            largest = nn.utils.get_total_norm(gradients, norm_type=math.inf)
            nn.utils.clip_grad_value_(self.parameters, self.settings.grad_clip_value)
            return norm, largest
        if self.settings.grad_clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.settings.grad_clip, norm)
        return norm, norm

    def _backward_parts(self, parts: list[Part]) -> tuple[Tensor, Tensor, Tensor]:
        """Accumulate the gradient of a batch over its parts, each weighted by its share of the examples.

        Returns:
            Loss, score and objective of the whole batch.
        """
        self.optimizer.zero_grad(set_to_none=True)
        num_examples = sum(len(targets) for _, targets in parts)
        results = [
            self._backward(inputs, targets, share=len(targets) / num_examples, with_penalty=number == 0)
            for number, (inputs, targets) in enumerate(parts)
        ]
        losses, scores, objectives = zip(*results, strict=True)
        return sum(losses[1:], losses[0]), sum(scores[1:], scores[0]), sum(objectives[1:], objectives[0])

    def _backward(
        self, inputs: Tensor, targets: Tensor, *, share: float = 1.0, with_penalty: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Add the gradient of `share` times the loss, and `with_penalty` that of the penalty.

        Returns:
            `share` times the plain loss, without the penalty; the score; and what was differentiated.
        """
        with self.precision.autocast:
            outputs = self.model(inputs)
        outputs = outputs.float()
        objective = self.loss(outputs, targets)
        if share != 1:
            objective = objective * share
        loss = objective.detach() if self.plain_loss is self.loss else share * self.plain_loss(outputs.detach(), targets)
        if with_penalty and self._has_penalty:
            objective = objective + self.penalty()
        self.precision.scaler.scale(objective).backward()
        return loss, self.score.of_batch(outputs, targets), objective.detach()

    def penalty(self) -> Tensor:
        """`l1 * sum |p| + l2 * sum p²`. It is part of the loss that is differentiated, never of the loss that is reported."""
        flat = torch.cat([parameter.flatten() for parameter in self.parameters])
        return self.settings.l1 * flat.abs().sum() + self.settings.l2 * flat.square().sum()
