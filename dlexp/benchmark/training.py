"""The arms that train or load: ours, and the same work written by hand."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader

from dlexp.benchmark.comparison import Block, Sample
from dlexp.benchmark.same_work import WorkLog
from dlexp.benchmark.timing import time_work
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


class TimedRun(NamedTuple):
    """A run that is trained only to be timed.

    Args:
        config: Resolved.
        facts: Its data and device.
    """

    config: dict[str, Any]
    facts: Facts

    def apply(self) -> None:
        """Set torch's global state for this run, because an arm with other settings may have changed it."""
        hardware = self.config["hardware"]
        configure_torch(
            self.facts.device,
            num_threads=hardware["num_threads"],
            determinism=hardware["determinism"],
            tf32=self.config["precision"]["format"] == "tf32",
        )


def prepare_run(*overrides: str) -> TimedRun:
    """Prepare the run of a command. If a key is given twice, the last override counts.

    Raises:
        ConfigError: If the command is wrong, or this machine cannot run it.
    """
    command = list({text.partition("=")[0]: text for text in overrides}.values())
    if problems := look_up(command, multirun=False):
        raise ConfigError(*problems)
    run = plan(compose(command))
    return TimedRun(run.config, gather_facts(run))


def make_data_loader(run: TimedRun, rows: Any, **options: Any) -> Epochs:
    """The batches of an epoch from torch's DataLoader, with the examples in our order.

    Args:
        run: The run.
        rows: Its training examples, as DataLoader takes them.
        options: Further arguments of DataLoader.
    """
    order: list[int] = []  # of the examples in the coming epoch
    loader: DataLoader = DataLoader(rows, batch_size=run.facts.batch_size, sampler=order, **options)

    def batches(epoch: int) -> DataLoader:
        order[:] = draw_order(run.config["seed"], epoch, len(rows)).tolist()
        return loader

    return batches


def make_our_loop(run: TimedRun, log: WorkLog | None = None, *, steps_per_unit: int = 1) -> Block:
    """Steps of our loop on the parts that `build` makes, with the check for the display after each step."""
    built = build(*run)
    learner, display = built.learner, Plain()
    batches = log.watch(built.batches) if log else built.batches

    def work(num_steps: int) -> None:
        first = iter([True])  # a run has a boundary after its first step
        due = lambda: next(first, False) or display.due()  # noqa: E731
        for progress in train(learner.step, batches, num_steps=num_steps, due=due):
            if progress.epoch_ended:
                loss = learner.collect()["loss"]
                if log:
                    log.loss = loss

    return _block(run, work, steps_per_unit)


def make_epochs(run: TimedRun, log: WorkLog | None = None, *, batches_of: Callable[[], Epochs] | None = None) -> Block:
    """Epochs of loading without training, with our loader or of batches that other processes make (`batches_of`)."""
    source = batches_of() if batches_of else build(*run).batches
    batches = log.watch(source) if log else source

    def work(num_epochs: int) -> None:
        for epoch in range(1, num_epochs + 1):
            for _ in batches(epoch):
                pass

    return _block(run, work, alone=batches_of is None)


def make_bare_loop(
    run: TimedRun, log: WorkLog | None = None, *, batches_of: Callable[[], Epochs] | None = None, steps_per_unit: int = 1
) -> Block:
    """The operations of a training step, one after the other, on the same model and optimizer.

    Args:
        run: A run without augmentation, clipping, penalties and reduced precision.
        log: Receives the work.
        batches_of: Makes the batches of an epoch in other processes; None: they are gathered and scaled here.
        steps_per_unit: Steps in the unit of work, if that is an epoch.
    """
    learner = build(*run).learner
    source = batches_of() if batches_of else _make_batches(run)
    batches = log.watch(source) if log else source

    def work(num_steps: int) -> None:
        done = epoch = 0
        while done < num_steps:
            epoch += 1
            loss, steps = _train_epoch(learner, batches(epoch), num_steps - done)
            done += steps
            if log:
                log.loss = loss

    return _block(run, work, steps_per_unit, alone=batches_of is None)


def _train_epoch(learner: SingleLearner, batches: Iterable[Batch], most: int) -> tuple[float, int]:
    """Train on at most `most` batches.

    Returns:
        The mean loss of the examples, and the number of steps.
    """
    model, loss_of, optimizer = learner.model, learner.loss, learner.optimizer
    parameters = list(model.parameters())
    sizes, losses, hits, norms = [], [], [], []
    for inputs, targets in batches:
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
    # As in our loop, an epoch ends with a copy of its loss, accuracy and gradient norm to the host.
    examples = torch.tensor(sizes, dtype=torch.float64)
    mean = float(torch.stack(losses).double().cpu() @ examples) / float(examples.sum())
    float(torch.stack(hits).double().cpu().sum())
    float(torch.stack(norms).double().cpu().mean())
    return mean, len(sizes)


def _make_batches(run: TimedRun) -> Epochs:
    """The batches of an epoch, from a split on the device: the work of our loader, without its options."""
    config, facts = run
    data, device = facts.dataset, facts.device
    inputs, targets = data.train.inputs.to(device), data.train.targets.to(device)
    shift, factor = data.shift.to(device), data.factor.to(device)

    def batches(epoch: int) -> Iterator[Batch]:
        shuffled = draw_order(config["seed"], epoch, len(targets)).to(device)
        for index in shuffled.split(facts.batch_size):
            yield inputs.index_select(0, index).sub(shift).mul_(factor), targets.index_select(0, index)

    return batches


def _block(run: TimedRun, work: Callable[[int], None], steps_per_unit: int = 1, *, alone: bool = True) -> Block:
    def block(num_units: int) -> Sample:
        run.apply()
        return time_work(partial(work, num_units * steps_per_unit), num_units, run.facts.device, alone=alone)

    return block
