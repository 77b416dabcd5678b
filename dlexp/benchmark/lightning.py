"""Our training loop beside Lightning's Trainer, whose defaults are left as they are."""

import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from dlexp.benchmark.comparison import Block, Case, Figure, Missing, Request, Sample
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.loop import MLP, overrides
from dlexp.benchmark.same_work import SameWork, Witness
from dlexp.benchmark.training import Epochs, EpochSampler, Setting, our_loop, setting
from dlexp.data.batches import Batch
from dlexp.run.setup.build import build

NAME, BATCH, STEPS = "mlp 64-256-128-10, batch 32", 32, 300
SETTLING = 20  # first steps of a fit that are not counted: sanity checks, the first log line


def cases(request: Request) -> Iterator[Case | Missing]:
    """Small steps; once on the batches of our loader, once on those of the usual one."""
    if importlib.util.find_spec("lightning") is None:
        yield Missing(NAME, "pip install -e '.[benchmark]'")
        return
    chosen = setting(*overrides(MLP, BATCH, STEPS))
    for name, batches_of, goal in (
        (f"{NAME}, our batches", lambda: None, Goal("at least", 2.0, 2.5)),
        (f"{NAME}, a DataLoader", partial(_data_loader, chosen), None),
    ):
        yield Case(
            name=name,
            arms=(
                "dlexp.training.loop.train and Learner.step",
                "Trainer: logger, checkpoints, progress bar, loss and accuracy logged",
            ),
            ours=partial(our_loop, chosen),
            other=partial(trainer, chosen, request.scratch, batches_of=batches_of),
            figures=(Figure("other / ours", goal=goal), Figure("ours - other", "µs/step", 1e6)),
            unit="steps",
            block=STEPS,
            check=SameWork(loss=1e-5),
        )


def trainer(chosen: Setting, folder: Path, witness: Witness | None = None, *, batches_of: Callable[[], Epochs | None]) -> Block:
    """Steps of Lightning's Trainer; each block is a fit of its own, whose start and end are left out of the time.

    Args:
        chosen: The run; its model and optimizer are ours.
        folder: For its logs and checkpoints.
        witness: Of the work.
        batches_of: Makes the batches of an epoch; None: ours.
    """
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    built = build(*chosen)
    module, source = _module(lightning, built.learner, witness), batches_of() or built.batches

    def block(num_steps: int) -> Sample:
        chosen.restore()
        # A witness is to see exactly the steps that ours does; otherwise some more come first.
        settling = 0 if witness else SETTLING
        feed = _Feed(source, settling, num_steps)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            fit = lightning.Trainer(accelerator="cpu", devices=1, max_epochs=1, default_root_dir=folder)
            fit.fit(module, feed)
            if witness:
                witness.ended(float(fit.callback_metrics["train/loss"]))
        return feed.sample()

    return block


class _Feed:
    """Batches for one fit, that take the time when the trainer asks for the first that counts, and for one more than the last.

    It has no length, so that the trainer does ask once more.

    Args:
        batches: Of an epoch.
        settling: Batches before the first that counts.
        num_steps: Batches that count.
    """

    def __init__(self, batches: Epochs, settling: int, num_steps: int) -> None:
        self.batches, self.settling, self.num_steps = batches, settling, num_steps
        self.stamps: list[tuple[float, float]] = []

    def __iter__(self) -> Iterator[Batch]:
        for index, batch in enumerate(islice(self._endless(), self.settling + self.num_steps)):
            if index == self.settling:
                self._stamp()
            yield batch
        self._stamp()

    def sample(self) -> Sample:
        (began, cpu), (ended, cpu_then) = self.stamps
        return Sample((ended - began) / self.num_steps, (cpu_then - cpu) / self.num_steps)

    def _stamp(self) -> None:
        self.stamps.append((perf_counter(), process_time()))

    def _endless(self) -> Iterator[Batch]:
        epoch = 0
        while True:
            epoch += 1
            yield from self.batches(epoch)


def _data_loader(chosen: Setting) -> Epochs:
    """The same batches from torch's DataLoader."""
    data = chosen.facts.dataset
    rows = TensorDataset(data.train.inputs.sub(data.shift).mul_(data.factor), data.train.targets)
    sampler = EpochSampler(chosen.config["seed"], len(rows))
    loader = DataLoader(rows, batch_size=chosen.facts.batch_size, sampler=sampler)

    def batches(epoch: int) -> DataLoader:
        sampler.epoch = epoch
        return loader

    return batches


def _module(lightning: Any, learner: Any, witness: Witness | None) -> Any:
    """A LightningModule as its documentation has it, around our model, loss and optimizer."""

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.loss = learner.model, learner.loss

        def training_step(self, batch: Sequence[Tensor], index: int) -> Tensor:
            inputs, targets = batch
            if witness:
                witness.saw(inputs, targets)
            outputs = self.model(inputs)
            loss = self.loss(outputs, targets)
            accuracy = (outputs.argmax(1) == targets).float().mean()
            self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
            self.log("train/acc", accuracy, on_step=False, on_epoch=True, batch_size=len(targets))
            return loss

        def configure_optimizers(self) -> Any:
            return learner.optimizer

    return Module()
