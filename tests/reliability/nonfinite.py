"""Makes a loss, a gradient or a buffer of a run not finite in chosen steps."""

import math

from dlexp.run.record import checkpoint
from dlexp.training.single_learner import SingleLearner
from tests.runs import MOONS

RUN = (*MOONS, "epochs=4")
STEPS = 4  # an epoch
FIRST_NORM = "blocks.0.norm"


def corrupt_loss(learner, inputs, targets, step):
    hook = learner.loss.register_forward_hook(lambda module, given, loss: loss * math.nan)
    step(learner, inputs, targets)
    hook.remove()


def corrupt_gradient(learner, inputs, targets, step):
    hook = next(learner.model.parameters()).register_hook(lambda gradient: gradient * math.nan)
    step(learner, inputs, targets)
    hook.remove()


def corrupt_buffer(learner, inputs, targets, step):
    step(learner, inputs, targets)
    learner.model.get_buffer(f"{FIRST_NORM}.running_mean").fill_(math.nan)


FAULTS = {"loss": corrupt_loss, "gradient": corrupt_gradient, "buffer": corrupt_buffer}


def inject(patch, kind, *steps):
    """Inject a fault into these steps, counted from 1, of every run, resumed runs included."""
    original = SingleLearner.step

    def step(learner, inputs, targets):
        now = learner.num_steps + len(learner.steps) + 1
        FAULTS[kind](learner, inputs, targets, original) if now in steps else original(learner, inputs, targets)

    patch.setattr(SingleLearner, "step", step)


def states(root):
    return sorted(root.glob(f"adhoc/*/{checkpoint.FOLDER}/step-*.pt"))


def bad_epochs(rows):
    losses = {int(row["epoch"]): [float(row[name]) for name in ("train/loss", "val/loss") if row.get(name)] for row in rows}
    return [epoch for epoch, values in losses.items() if not all(map(math.isfinite, values))]
