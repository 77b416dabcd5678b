"""Our training loop, compared with Lightning's Trainer at its default settings."""

import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from torch import Tensor
from torch.utils.data import TensorDataset

from dlexp.benchmark.comparison import Block, Case, Figure, Missing, Request, Sample
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.loop import MLP, build_overrides
from dlexp.benchmark.same_work import SameWork, WorkLog
from dlexp.benchmark.training import Epochs, TimedRun, make_data_loader, make_our_loop, prepare_run
from dlexp.data.batches import Batch
from dlexp.run.setup.build import build

NAME, BATCH, STEPS = "mlp 64-256-128-10, batch 32", 32, 300
UNTIMED_STEPS = 20  # first steps of a fit: sanity checks and the first log line


def cases(request: Request) -> Iterator[Case | Missing]:
    """Small steps, on batches of our loader and on batches of torch's DataLoader."""
    if importlib.util.find_spec("lightning") is None:
        yield Missing(NAME, "pip install -e '.[benchmark]'")
        return
    run = prepare_run(*build_overrides(MLP, BATCH, STEPS))
    for name, batches_of, goal in (
        (f"{NAME}, our batches", lambda: None, Goal("at least", 2.0, 2.5)),
        (f"{NAME}, a DataLoader", partial(_make_row_loader, run), None),
    ):
        yield Case(
            name=name,
            arms=(
                "dlexp.training.loop.train and Learner.step",
                "Trainer: logger, checkpoints, progress bar, loss and accuracy logged",
            ),
            ours=partial(make_our_loop, run),
            other=partial(make_trainer, run, request.scratch, batches_of=batches_of),
            figures=(Figure("other / ours", goal=goal), Figure("ours - other", "µs/step", 1e6)),
            unit="steps",
            block=STEPS,
            check=SameWork(loss=1e-5),
        )


def make_trainer(run: TimedRun, folder: Path, log: WorkLog | None = None, *, batches_of: Callable[[], Epochs | None]) -> Block:
    """Steps of Lightning's Trainer. Each block is a new fit, whose start and end are not timed.

    Args:
        run: The run; its model and optimizer are ours.
        folder: For its logs and checkpoints.
        log: Receives the work.
        batches_of: Makes the batches of an epoch; None: ours.
    """
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    built = build(*run)
    module, source = _make_module(lightning, built.learner), batches_of() or built.batches
    batches = log.watch(source) if log else source

    def block(num_steps: int) -> Sample:
        run.apply()
        # The log must have the same steps as that of our arm, so there are no untimed ones then.
        num_untimed = 0 if log else UNTIMED_STEPS
        timed = _TimedBatches(batches, num_untimed, num_steps)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            fit = lightning.Trainer(accelerator="cpu", devices=1, max_epochs=1, default_root_dir=folder)
            fit.fit(module, timed)
            if log:
                log.loss = float(fit.callback_metrics["train/loss"])
        return timed.sample()

    return block


class _TimedBatches:
    """Batches for one fit. They take the time when the trainer requests the first timed batch, and the one after the last.

    They have no length, so the trainer makes that last request.

    Args:
        batches: Makes the batches of an epoch.
        num_untimed: Batches before the first timed one.
        num_steps: Timed batches.
    """

    def __init__(self, batches: Epochs, num_untimed: int, num_steps: int) -> None:
        self.batches, self.num_untimed, self.num_steps = batches, num_untimed, num_steps
        self.stamps: list[tuple[float, float]] = []

    def __iter__(self) -> Iterator[Batch]:
        endless = chain.from_iterable(map(self.batches, count(1)))
        for index, batch in enumerate(islice(endless, self.num_untimed + self.num_steps)):
            if index == self.num_untimed:
                self._stamp()
            yield batch
        self._stamp()

    def sample(self) -> Sample:
        (began, cpu), (ended, cpu_then) = self.stamps
        return Sample((ended - began) / self.num_steps, (cpu_then - cpu) / self.num_steps)

    def _stamp(self) -> None:
        self.stamps.append((perf_counter(), process_time()))


def _make_row_loader(run: TimedRun) -> Epochs:
    """The same batches, from torch's DataLoader."""
    data = run.facts.dataset
    return make_data_loader(run, TensorDataset(data.train.inputs.sub(data.shift).mul_(data.factor), data.train.targets))


def _make_module(lightning: Any, learner: Any) -> Any:
    """A LightningModule with our model, loss and optimizer, as in Lightning's documentation."""

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.loss = learner.model, learner.loss

        def training_step(self, batch: Sequence[Tensor], index: int) -> Tensor:
            inputs, targets = batch
            outputs = self.model(inputs)
            loss = self.loss(outputs, targets)
            accuracy = (outputs.argmax(1) == targets).float().mean()
            self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
            self.log("train/acc", accuracy, on_step=False, on_epoch=True, batch_size=len(targets))
            return loss

        def configure_optimizers(self) -> Any:
            return learner.optimizer

    return Module()
