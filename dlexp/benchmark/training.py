"""Training as we do it, and the same written out by hand."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlexp.benchmark.comparison import Block, Make, Sample
from dlexp.benchmark.measure import timed
from dlexp.benchmark.same_work import Witness
from dlexp.config.compose import compose
from dlexp.config.lookup import look_up
from dlexp.data.batches import Batch, draw_order
from dlexp.errors import ConfigError
from dlexp.machine.device import configure_torch
from dlexp.run.display import Plain
from dlexp.run.execute import gather_facts
from dlexp.run.plan import plan
from dlexp.run.setup.build import build
from dlexp.run.setup.facts import Facts
from dlexp.training.loop import train
from dlexp.training.single_learner import SingleLearner

Epochs = Callable[[int], Iterable[Batch]]


class Setting(NamedTuple):
    """A run that is trained for its time alone.

    Args:
        config: Resolved.
        facts: Its data and its device.
    """

    config: dict[str, Any]
    facts: Facts

    def restore(self) -> None:
        """Bring torch's global state to this setting: an arm of another one may have been at work."""
        chosen = self.config["hardware"]
        configure_torch(
            self.facts.device,
            num_threads=chosen["num_threads"],
            determinism=chosen["determinism"],
            tf32=self.config["precision"]["format"] == "tf32",
        )


class EpochSampler:
    """The order of one of our epochs, for torch's DataLoader; `epoch` is set before each."""

    def __init__(self, seed: int, num_examples: int) -> None:
        self.seed, self.num_examples, self.epoch = seed, num_examples, 1

    def __len__(self) -> int:
        return self.num_examples

    def __iter__(self) -> Iterator[int]:
        return iter(draw_order(self.seed, self.epoch, self.num_examples).tolist())


def setting(*overrides: str) -> Setting:
    """The run of a command, of whose overrides the last of each key counts.

    Raises:
        ConfigError: If the command is wrong, or this machine cannot run it.
    """
    command = list({text.partition("=")[0]: text for text in overrides}.values())
    if problems := look_up(command, multirun=False):
        raise ConfigError(*problems)
    run = plan(compose(command))
    return Setting(run.config, gather_facts(run))


def our_loop(chosen: Setting, witness: Witness | None = None) -> Block:
    """Steps of our loop on what `build` makes, asked after each step whether the display is due."""
    built = build(*chosen)
    learner, display = built.learner, Plain()
    step = learner.step if witness is None else _watched(learner.step, witness)

    def work(num_steps: int) -> None:
        first = iter([True])  # the first step is a boundary of its own, as in a run
        due = lambda: next(first, False) or display.due()  # noqa: E731
        for progress in train(step, built.batches, num_steps=num_steps, due=due):
            if progress.epoch_ended:
                loss = learner.collect()["loss"]
                if witness is not None:
                    witness.ended(loss)

    return _block(chosen, work)


def our_epochs(chosen: Setting, witness: Witness | None = None) -> Block:
    """Whole epochs of loading, without training."""
    batches = build(*chosen).batches
    return _block(chosen, partial(_load, batches, witness))


def usual_epochs(chosen: Setting, witness: Witness | None = None, *, batches_of: Callable[[], Epochs]) -> Block:
    """Whole epochs of loading, of batches that other processes make."""
    return _block(chosen, partial(_load, batches_of(), witness), alone=False)


def bare_loop(chosen: Setting, witness: Witness | None = None, *, batches_of: Callable[[], Epochs] | None = None) -> Block:
    """The operations of a step, one after the other, on the same model and optimizer.

    Args:
        chosen: Without augmentation, clipping, penalties or reduced precision.
        witness: Of the work.
        batches_of: Makes the batches of an epoch, in other processes; None: the shuffled split, gathered and scaled here.
    """
    learner = build(*chosen).learner
    source = batches_of() if batches_of else _gathered(chosen)

    def work(num_steps: int) -> None:
        done = epoch = 0
        while done < num_steps:
            epoch += 1
            loss, steps = _bare_epoch(learner, source(epoch), num_steps - done, witness)
            done += steps
            if witness is not None:
                witness.ended(loss)

    return _block(chosen, work, alone=batches_of is None)


def by_epoch(make: Make, num_steps: int) -> Make:
    """An arm that counts steps, as one that counts epochs of so many."""

    def made(witness: Witness | None = None) -> Block:
        block = make(witness)

        def epochs(num_epochs: int) -> Sample:
            seconds, cpu = block(num_epochs * num_steps)
            return Sample(seconds * num_steps, None if cpu is None else cpu * num_steps)

        return epochs

    return made


def _bare_epoch(learner: SingleLearner, batches: Iterable[Batch], most: int, witness: Witness | None) -> tuple[float, int]:
    """Train on at most so many batches.

    Returns:
        The mean loss of the examples, and the number of steps.
    """
    model, loss_of, optimizer = learner.model, learner.loss, learner.optimizer
    parameters = list(model.parameters())
    sizes: list[int] = []
    losses, hits, norms = [], [], []
    for inputs, targets in batches:
        if witness is not None:
            witness.saw(inputs, targets)
        optimizer.zero_grad(set_to_none=True)
        outputs = model(inputs)
        loss = loss_of(outputs, targets)
        loss.backward()
        norms.append(torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None]))
        optimizer.step()
        with torch.no_grad():
            sizes.append(len(targets))
            losses.append(loss.detach())
            hits.append((outputs.argmax(1) == targets).sum())
        if len(sizes) == most:
            break
    return _read(sizes, losses, hits, norms), len(sizes)


def _read(sizes: Sequence[int], losses: Sequence[Tensor], hits: Sequence[Tensor], norms: Sequence[Tensor]) -> float:
    """Bring what an epoch measured to the host: loss, accuracy and gradient norm, of which the loss is returned."""
    examples = torch.tensor(sizes, dtype=torch.float64)
    mean = float(torch.stack(list(losses)).double().cpu() @ examples) / float(examples.sum())
    float(torch.stack(list(hits)).double().cpu().sum())
    float(torch.stack(list(norms)).double().cpu().mean())
    return mean


def _gathered(chosen: Setting) -> Epochs:
    """The batches of an epoch, from a split that lies on the device: what our loader does, without its generality."""
    config, facts = chosen
    data, device = facts.dataset, facts.device
    inputs, targets = data.train.inputs.to(device), data.train.targets.to(device)
    shift, factor = data.shift.to(device), data.factor.to(device)

    def batches(epoch: int) -> Iterator[Batch]:
        shuffled = draw_order(config["seed"], epoch, len(targets)).to(device)
        for index in shuffled.split(facts.batch_size):
            yield inputs.index_select(0, index).sub(shift).mul_(factor), targets.index_select(0, index)

    return batches


def _load(batches: Epochs, witness: Witness | None, num_epochs: int) -> None:
    for epoch in range(1, num_epochs + 1):
        for inputs, targets in batches(epoch):
            if witness is not None:
                witness.saw(inputs, targets)


def _watched(step: Callable[[Tensor, Tensor], None], witness: Witness) -> Callable[[Tensor, Tensor], None]:
    def watched(inputs: Tensor, targets: Tensor) -> None:
        witness.saw(inputs, targets)
        step(inputs, targets)

    return watched


def _block(chosen: Setting, work: Callable[[int], None], *, alone: bool = True) -> Block:
    def block(num_units: int) -> Sample:
        chosen.restore()
        return timed(partial(work, num_units), num_units, chosen.facts.device, alone=alone)

    return block
