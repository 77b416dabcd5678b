"""Train one model, a batch at a time, and measure it."""

import copy
import warnings
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn

from dlexp.contract import Schedule
from dlexp.training.averaging import AveragedWeights
from dlexp.training.cuda_graph import GraphedStep
from dlexp.training.evaluation import compute_outputs, set_train_mode
from dlexp.training.learner import Numbers, Scope, Snapshot
from dlexp.training.microbatch import MicroBatches, Part
from dlexp.training.step import StepResult, TrainingStep


class SingleLearner:
    """The `Learner` of one model.

    Args:
        training_step: Updates the model from one batch.
        schedule: Bound to the step's optimizer.
        average: A mean of the weights. Where it has begun, it is what is evaluated, and what a snapshot of the weights holds.
        cuda_graph: Whether a GPU replays the step as one CUDA graph. The optimizer must then be fused.
    """

    def __init__(
        self,
        training_step: TrainingStep,
        schedule: Schedule,
        average: AveragedWeights | None = None,
        *,
        cuda_graph: bool = False,
    ) -> None:
        self.training_step, self.schedule = training_step, schedule
        self.model, self.loss, self.optimizer = training_step.model, training_step.loss, training_step.optimizer
        self.precision, self.score, self.average = training_step.precision, training_step.score, average
        self.update = GraphedStep(training_step, self.optimizer) if cuda_graph else training_step
        self.microbatches = training_step.microbatches
        self.evaluation_microbatches = MicroBatches(None if self.microbatches.min_examples is None else 1)
        self.notes: list[str] = []
        self.steps: list[tuple[int, StepResult]] = []  # number of examples and result of each step since `collect`
        self.num_steps = 0  # steps that `collect` has read
        self.bad_step: int | None = None
        self.first_bad_step: int | None = None
        # torch cannot tell a step that the scaler skipped for overflow, or that an earlier process did, from a forgotten one.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        set_train_mode(self.model)

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """Update the parameters from one batch. Nothing in here waits for the device.

        A schedule that counts steps also counts those that the scaler skips, because finding out would wait for the device.
        """
        before = self.microbatches.number
        self.steps.append((len(targets), self.update(inputs, targets)))
        if self.microbatches.number > before:
            self._note_split(f"step {self.num_steps + len(self.steps)}", "each batch", self.microbatches)
        if self.average:
            self.average.update(self.model, self.num_steps + len(self.steps))
        if self.schedule.every == "step":
            self.schedule.scheduler.step()

    def _note_split(self, when: str, what: str, microbatches: MicroBatches) -> None:
        self.notes.append(f"{when}: out of memory; from here {what} is computed in {microbatches.number} micro-batches")

    def collect(self) -> Numbers:
        """Average the measurements of the steps since the last call, weighted by examples. Waits for the device once.

        Returns:
            `examples`: their number. `loss`. `acc` in [0, 1], or `rmse` in units of the target; nan if the loss is not finite.
            `objective`: what is minimised, if it is not the loss. `grad_norm`: the mean L2 norm before clipping, in units of
            the loss per unit of parameter. With clipping `clip_rate`: the share of steps clipped. With fp16 `overflow_steps`:
            steps that the scaler skipped, which count in neither of the two.
        """
        if not self.steps:
            return {}
        examples = torch.tensor([number for number, _ in self.steps], dtype=torch.float64)
        losses, scores, norms, objectives, clip_measures = (
            torch.stack(column).double().cpu() for column in zip(*(result for _, result in self.steps), strict=True)
        )
        bad = (~losses.isfinite()).nonzero()
        self.bad_step = self.num_steps + int(bad[0]) + 1 if len(bad) else None
        self.first_bad_step = self.first_bad_step or self.bad_step
        self.num_steps += len(self.steps)
        self.steps.clear()
        total = float(examples.sum())
        numbers = {"examples": total, **self.score.average(losses, scores, examples)}
        if self.training_step.has_objective:
            numbers["objective"] = float(objectives @ examples) / total
        if self.precision.scaler.is_enabled():
            numbers["overflow_steps"] = float((~norms.isfinite()).sum())
            norms, clip_measures = norms[norms.isfinite()], clip_measures[norms.isfinite()]
        numbers["grad_norm"] = float(norms.mean())
        if (bound := self.training_step.settings.clip_bound) is not None:
            numbers["clip_rate"] = float((clip_measures > bound).double().mean())
        return numbers

    def end_epoch(self, monitored: float | None) -> None:
        """Advance a schedule that counts epochs, or that watches `monitored` (lower is better)."""
        if self.schedule.every == "epoch":
            self.schedule.scheduler.step()
        elif self.schedule.every == "metric":
            self.schedule.scheduler.step(monitored)  # type: ignore[arg-type]  # ReduceLROnPlateau takes a metric

    def evaluate(
        self,
        batches: Callable[[], Iterable[tuple[Tensor, Tensor]]],
        outputs_of: list[Tensor] | None = None,
        *,
        mirror: bool = False,
    ) -> Numbers:
        """Compute loss and accuracy (or RMSE) over all examples of a split. Changes nothing.

        Args:
            batches: Gives the batches of the split.
            outputs_of: If given, the outputs of each batch are appended to it, float32 and on the device.
            mirror: Whether an image's outputs are the mean over the image and its mirror image (left and right exchanged).

        Returns:
            `loss`, and `acc` in [0, 1] or `rmse` in units of the target, which is nan if the loss is not finite.
        """
        model = self._choose_model().eval()
        before = self.evaluation_microbatches.number
        examples, losses, scores = [], [], []
        with torch.no_grad():
            for batch in batches():
                for outputs, targets in self.evaluation_microbatches(partial(self._predict, model, mirror=mirror), *batch):
                    examples.append(len(targets))
                    losses.append(self.training_step.plain_loss(outputs, targets))
                    scores.append(self.score.of_batch(outputs, targets))
                    if outputs_of is not None:
                        outputs_of.append(outputs)
        if self.evaluation_microbatches.number > before:
            when = f"evaluation after step {self.num_steps + len(self.steps)}"
            self._note_split(when, "each of its batches", self.evaluation_microbatches)
        set_train_mode(self.model)
        counts = torch.tensor(examples, dtype=torch.float64)
        return self.score.average(torch.stack(losses).double().cpu(), torch.stack(scores), counts)

    def _choose_model(self) -> nn.Module:
        """The model to be evaluated: that with the mean of the weights where there is one."""
        return self.average.get_model() if self.average and self.average.has_begun else self.model

    def end_training(self) -> None:
        """Give the model the weights that are to be tested: their mean where there is one."""
        if self._choose_model() is not self.model:
            self.model.load_state_dict(self._choose_model().state_dict())
        self.average = None

    def _predict(self, model: nn.Module, parts: list[Part], *, mirror: bool) -> list[Part]:
        """Outputs, float32, and targets of each part."""
        return [(compute_outputs(model, self.precision, inputs, mirror=mirror), targets) for inputs, targets in parts]

    def snapshot(self, scope: Scope) -> Snapshot:
        """Copy the state, as much of it as `scope` names; of `everything` the tensors are shared, not copied."""
        if scope == "weights":
            return {"model": copy.deepcopy(dict(self._choose_model().state_dict()))}
        model, optimizer = self.model.state_dict(), self.optimizer.state_dict()
        average = {"average": self.average.snapshot()} if self.average else {}
        if scope == "rollback":
            return copy.deepcopy({"model": dict(model), "optimizer": optimizer["state"], **average})
        examples = [number for number, _ in self.steps]
        columns = zip(*(result for _, result in self.steps), strict=True) if self.steps else [()] * len(StepResult._fields)
        return {
            "model": model,
            "optimizer": optimizer,
            "scheduler": self.schedule.scheduler.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
            "examples": examples,
            "measured": [torch.stack(values) if values else torch.empty(0) for values in columns],
            "num_steps": self.num_steps,
            "first_bad_step": self.first_bad_step,
            "microbatches": [self.microbatches.number, self.evaluation_microbatches.number],
            **average,
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Set the state to a snapshot. What the snapshot does not hold stays as it is.

        After a rollback, learning rates, schedule, scaler and random generators go on from where they were.
        """
        self.model.load_state_dict(snapshot["model"])
        if self.average and "average" in snapshot:
            self.average.restore(snapshot["average"])
        if "scheduler" in snapshot:
            self._restore_everything(snapshot)
        elif "optimizer" in snapshot:
            # A copy, because the optimizer changes the very tensors that it is given.
            state, groups = copy.deepcopy(snapshot["optimizer"]), self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": state, "param_groups": groups})
            if isinstance(self.update, GraphedStep):  # the recorded graph writes to the optimizer's former tensors
                self.update = GraphedStep(self.training_step, self.optimizer)

    def _restore_everything(self, snapshot: Snapshot) -> None:
        self.optimizer.load_state_dict(snapshot["optimizer"])
        self.schedule.scheduler.load_state_dict(snapshot["scheduler"])
        self.precision.scaler.load_state_dict(snapshot["scaler"])
        measured = snapshot["measured"]
        if len(measured) == 3:  # saved states from before `objective` existed
            measured = [*measured, measured[0]]
        if len(measured) == 4:  # saved states from before `clip_measure` existed, when norms alone were clipped
            measured = [*measured, measured[2]]
        results = map(StepResult._make, zip(*measured, strict=True))
        self.steps = list(zip(snapshot["examples"], results, strict=True))
        self.num_steps, self.first_bad_step = snapshot["num_steps"], snapshot["first_bad_step"]
        # Snapshots from before `on_oom` existed have no micro-batches.
        self.microbatches.number, self.evaluation_microbatches.number = snapshot.get("microbatches", [1, 1])
        torch.set_rng_state(snapshot["random"].cpu())
        torch.cuda.set_rng_state_all([random.cpu() for random in snapshot["random_cuda"]])

    def is_finite(self) -> bool:
        """Whether all weights, and the losses not yet collected, are finite. Waits for the device."""
        losses = torch.stack([result.loss for _, result in self.steps]) if self.steps else torch.empty(0)
        return bool(losses.isfinite().all()) and not self.find_nonfinite_layers()

    def find_nonfinite_layers(self) -> list[str]:
        """Names of the layers whose parameters or buffers are not all finite, in the order of the model."""
        weights = self.model.state_dict()
        finite = torch.stack([tensor.isfinite().all() for tensor in weights.values()]).tolist()
        bad = [name for name, is_finite in zip(weights, finite, strict=True) if not is_finite]
        return list(dict.fromkeys(name.rpartition(".")[0] or name for name in bad))

    def count_microbatches(self) -> dict[str, int]:
        """The present number of parts of a batch, in training and in evaluation; empty if no batch is ever split."""
        if self.microbatches.min_examples is None:
            return {}
        return {
            "microbatches": self.microbatches.number,
            "evaluation_microbatches": self.evaluation_microbatches.number,
        }
