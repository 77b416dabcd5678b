"""What is trained: model, loss, optimizer, schedule and precision on one device. Nothing else touches them."""

import copy
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.contract import Schedule, Task
from dlexp.machine.precision import Precision
from dlexp.training.cuda_graph import GraphedStep
from dlexp.training.microbatch import MicroBatches, Part
from dlexp.training.scores import SCORES
from dlexp.training.step import Update

Numbers = dict[str, float]


class Learner:
    """Trains one model, a batch at a time, and measures it.

    What a step measures stays on the device until `collect` reads it: no step waits for the device.

    Args:
        model: On its device, parameters in float32.
        loss: Mean over the batch.
        optimizer: Over the parameters of `model`.
        schedule: Bound to `optimizer`.
        precision: Format of the forward pass, and its scaler.
        task: Decides whether accuracy or root mean squared error is reported.
        grad_clip: Largest global L2 norm of the gradient, or None.
        l1: Times the sum of |p| over all parameters.
        l2: Times the sum of p² over all parameters.
        cuda_graph: Whether a GPU replays the step as one CUDA graph; the optimizer is then fused.
        on_oom: fail, or what is done when the forward or the backward pass of a batch does not fit into memory: `microbatch`,
            or `microbatch_bn` for a model with batch norm. Gradient and loss are those of the whole batch to rounding; the
            random numbers of dropout are other draws, and batch norm's statistics those of each micro-batch.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        precision: Precision,
        *,
        task: Task,
        grad_clip: float | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        cuda_graph: bool = False,
        on_oom: str = "fail",
    ) -> None:
        self.model, self.loss, self.optimizer, self.schedule, self.precision = model, loss, optimizer, schedule, precision
        self.grad_clip, self.score = grad_clip, SCORES[task]
        self.plain = Update(model, loss, optimizer, precision, self.score, grad_clip=grad_clip, l1=l1, l2=l2, on_oom=on_oom)
        self.update = GraphedStep(self.plain, optimizer) if cuda_graph else self.plain
        self.microbatches = self.plain.microbatches
        self.evaluation_microbatches = MicroBatches(None if on_oom == "fail" else 1)
        self.notes: list[str] = []  # what the user has to be told of the steps since they were last read
        self.steps: list[tuple[int, Tensor, Tensor, Tensor]] = []  # per step: examples, loss, score, gradient norm
        self.num_steps = 0
        self.bad_step: int | None = None  # the first without a finite loss of those collected last
        self.first_bad_step: int | None = None  # of all
        # Torch cannot tell a step that the scaler skipped for overflow, or that an earlier start did, from one forgotten.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        model.train()

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """Update the parameters from one batch. Nothing in here waits for the device.

        A schedule that counts steps also counts those that the scaler skips: to learn of one is to wait for the device.
        """
        before = self.microbatches.number
        self.steps.append((len(targets), *self.update(inputs, targets)))
        if (number := self.microbatches.number) > before:
            self._note(f"step {self.num_steps + len(self.steps)}", "each batch", number)
        if self.schedule.every == "step":
            self.schedule.scheduler.step()

    def _note(self, when: str, what: str, number: int) -> None:
        self.notes.append(f"{when}: out of memory; from here {what} is computed in {number} micro-batches")

    def collect(self) -> Numbers:
        """What the steps since the last call measured, averages weighted by examples. Waits for the device once.

        Returns:
            `examples` seen; `loss`; `acc` in [0, 1], or `rmse` in units of the target; `grad_norm`, the mean L2 norm before
            clipping, in units of loss per unit of parameter; with clipping `clip_rate`, the share of steps clipped; with fp16
            `overflow_steps`, which the scaler skipped and which count in neither of the two.
        """
        if not self.steps:
            return {}
        examples = torch.tensor([step[0] for step in self.steps], dtype=torch.float64)
        losses, scores, norms = (
            torch.stack([step[i] for step in self.steps]).double().cpu()  # type: ignore[misc]
            for i in (1, 2, 3)
        )
        bad = (~losses.isfinite()).nonzero()
        self.bad_step = self.num_steps + int(bad[0]) + 1 if len(bad) else None
        self.first_bad_step = self.first_bad_step or self.bad_step
        self.num_steps += len(self.steps)
        self.steps.clear()
        total = float(examples.sum())
        numbers = {"examples": total, "loss": float(losses @ examples) / total, **self.score.of_all(float(scores.sum()), total)}
        if self.precision.scaler.is_enabled():
            numbers["overflow_steps"] = float((~norms.isfinite()).sum())
            norms = norms[norms.isfinite()]
        numbers["grad_norm"] = float(norms.mean())
        if self.grad_clip is not None:
            numbers["clip_rate"] = float((norms > self.grad_clip).double().mean())
        return numbers

    def end_epoch(self, monitored: float | None) -> None:
        """Advance a schedule that counts epochs, or watches `monitored` (lower is better)."""
        if self.schedule.every == "epoch":
            self.schedule.scheduler.step()
        elif self.schedule.every == "metric":
            self.schedule.scheduler.step(monitored)  # type: ignore[arg-type]  # of ReduceLROnPlateau, a metric

    def evaluate(
        self,
        batches: Callable[[], Iterable[tuple[Tensor, Tensor]]],
        outputs_of: list[Tensor] | None = None,
        *,
        mirror: bool = False,
    ) -> Numbers:
        """Loss and accuracy (or RMSE) over all examples of a split; changes nothing.

        Args:
            batches: Of the split.
            outputs_of: Where given, the outputs of each batch are added to it, float32 and on the device.
            mirror: Whether an image's outputs are the mean of its own and those of the image with left and right exchanged.

        Returns:
            `loss` and `acc` in [0, 1], or `rmse` in units of the target.
        """
        self.model.eval()
        before = self.evaluation_microbatches.number
        examples, losses, scores = [], [], []
        with torch.no_grad():
            for batch in batches():
                for outputs, targets in self.evaluation_microbatches(partial(self._answer, mirror=mirror), *batch):
                    examples.append(len(targets))
                    losses.append(self.loss(outputs, targets))
                    scores.append(self.score.of_batch(outputs, targets))
                    if outputs_of is not None:
                        outputs_of.append(outputs)
        if (number := self.evaluation_microbatches.number) > before:
            self._note(f"evaluation after step {self.num_steps + len(self.steps)}", "each of its batches", number)
        self.model.train()
        total = sum(examples)
        loss = float(torch.stack(losses).double().cpu() @ torch.tensor(examples, dtype=torch.float64)) / total
        return {"loss": loss, **self.score.of_all(float(torch.stack(scores).double().sum()), total)}

    def _answer(self, parts: list[Part], *, mirror: bool) -> list[Part]:
        """Outputs, float32, and targets of each part."""
        answered = []
        for inputs, targets in parts:
            with self.precision.autocast:
                outputs = self.model(inputs).float()
                if mirror:
                    outputs = (outputs + self.model(inputs.flip(-1)).float()) / 2
            answered.append((outputs, targets))
        return answered

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        """All that the next steps and the next `collect` depend on: what `load` needs to go on as if nothing had happened."""
        examples, *measured = zip(*self.steps, strict=True) if self.steps else ((), (), (), ())
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.schedule.scheduler.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
            "examples": list(examples),
            "measured": [torch.stack(values) if values else torch.empty(0) for values in measured],
            "num_steps": self.num_steps,
            "first_bad_step": self.first_bad_step,
            "microbatches": [self.microbatches.number, self.evaluation_microbatches.number],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Put back what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.scheduler.load_state_dict(state["scheduler"])
        self.precision.scaler.load_state_dict(state["scaler"])
        self.steps = list(zip(state["examples"], *state["measured"], strict=True))
        self.num_steps, self.first_bad_step = state["num_steps"], state["first_bad_step"]
        # A state of before `on_oom` was there has none.
        self.microbatches.number, self.evaluation_microbatches.number = state.get("microbatches", [1, 1])
        torch.set_rng_state(state["random"].cpu())
        torch.cuda.set_rng_state_all([random.cpu() for random in state["random_cuda"]])

    def keep(self) -> dict[str, Any]:
        """A copy of what `go_back` goes back to, on its device."""
        return {"model": self.weights(), "optimizer": copy.deepcopy(self.optimizer.state_dict()["state"])}

    def go_back(self, kept: dict[str, Any]) -> None:
        """Put back what `keep` returned: the weights, and the optimizer's state of each parameter.

        Learning rates, schedule, scaler and random stream stay as they are: time is not turned back.
        """
        self.load_weights(kept["model"])
        # Copied once more, as the optimizer goes on in the very tensors that it is given.
        state, groups = copy.deepcopy(kept["optimizer"]), self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        if isinstance(self.update, GraphedStep):  # what it captured writes to the state that was there before
            self.update = GraphedStep(self.plain, self.optimizer)

    def is_finite(self) -> bool:
        """Whether the weights are, and the losses not yet collected. Waits for the device."""
        losses = torch.stack([step[1] for step in self.steps]) if self.steps else torch.empty(0)
        return bool(losses.isfinite().all()) and not self.not_finite()

    def not_finite(self) -> list[str]:
        """The layers with parameters or buffers that are not finite, in the order of the model. Waits for the device once."""
        weights = self.model.state_dict()
        finite = torch.stack([tensor.isfinite().all() for tensor in weights.values()]).tolist()
        bad = [name for name, is_finite in zip(weights, finite, strict=True) if not is_finite]
        return list(dict.fromkeys(name.rpartition(".")[0] or name for name in bad))

    def weights(self) -> dict[str, Any]:
        """A copy of the model's parameters and buffers, on its device."""
        return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """Put back what `weights` returned."""
        self.model.load_state_dict(weights)
