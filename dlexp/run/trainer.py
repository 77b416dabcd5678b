"""Train a run: the loop, the clock, and the saved states. What follows from an epoch is decided in run_state.py."""

from time import perf_counter
from typing import Any

from dlexp.machine.device import peak_memory, synchronize
from dlexp.run import signals
from dlexp.run.clock import Clock
from dlexp.run.display import Display
from dlexp.run.profiling import Profile
from dlexp.run.record import checkpoint
from dlexp.run.record.checkpoint import Cadence, SavedState
from dlexp.run.record.folder import Record
from dlexp.run.run_state import RunState
from dlexp.run.setup.build import build
from dlexp.run.setup.facts import Facts
from dlexp.training.compile import compile_seconds
from dlexp.training.learner import Numbers
from dlexp.training.loop import START, Progress, train


class Trainer:
    """Trains one run to its end, from the beginning or from a saved state.

    Args:
        config: Resolved, with all settings chosen.
        facts: Device, data and sizes of the run.
        record: The open run folder.
        display: Shows progress, rows and messages.
        title: Names the run on the display.
    """

    def __init__(self, config: dict[str, Any], facts: Facts, record: Record, display: Display, title: str) -> None:
        self.facts, self.record, self.display = facts, record, display
        self.clock = Clock(compile_seconds)
        display.begin(title, facts.horizon.num_steps, facts.horizon.num_epochs)
        built = build(config, facts)
        self.learner, self.batches = built.learner, built.batches
        self.run = RunState(config, facts, built, record, display, self.clock)
        self.after = START  # the boundary at which training begins
        self.epoch_seconds = 0.0  # training time of the present epoch, up to the last boundary
        self.restarts, self.differs = 0, ""
        self.saving = Cadence(config["checkpoint_every"])
        self.profile = Profile(record.folder, facts.device, facts.horizon.num_steps) if config["profile"] else None
        self.clock.lap("setup")

    def complete(self) -> dict[str, Any]:
        """Train to the end and test once.

        Returns:
            The entries of summary.json.

        Raises:
            KeyboardInterrupt: If a signal asked to stop. The state was saved before.
        """
        if self.after == START:
            self.run.begin()
        if self.run.status is None:
            self._train()
        if self.profile and (table := self.profile.finish()):
            self.display.table(table)
        return self.run.finish() | {
            "seconds": dict(self.clock.seconds),
            "memory": peak_memory(self.facts.device),
            "restarts": self.restarts,
            **({"bit_exact": not self.differs, "differs": self.differs} if self.restarts else {}),
        }

    def resume(self, saved: SavedState) -> None:
        """Continue from a saved state, as if training had never stopped."""
        state = saved.state
        self.run.restore(state)
        self.after = Progress(*state["progress"])
        self.clock.seconds.update(state["seconds"])
        self.epoch_seconds = state["epoch_seconds"]
        self.restarts = state["restarts"] + 1
        self.differs = ", ".join(text for text in (state["differs"], saved.differs) if text)
        self.saving.count_save(0.0)

    def _save(self, progress: Progress) -> None:
        """Save everything that the rest of the run depends on, unless this would replace the last state worth resuming."""
        if not self.run.divergence.may_save:
            self.saving.postpone()
            return
        self.epoch_seconds += self.clock.lap("train")
        start = perf_counter()
        state = {
            **self.run.snapshot(),
            "progress": list(progress),
            "seconds": dict(self.clock.seconds),
            "epoch_seconds": self.epoch_seconds,
            "restarts": self.restarts,
            "differs": self.differs,
        }
        files, code = self.record.sync(), self.record.code
        checkpoint.save(self.record.folder, state, progress.step, files, self.facts.device, code)
        self.saving.count_save(perf_counter() - start)
        self.clock.lap("checkpoint")

    def _train(self) -> None:
        """Run the loop until the run has a status, or a signal asks to stop."""
        # The first step is a boundary by itself: its warm-up (kernels, compilation) does not count as training time.
        first = iter([True])

        def due() -> bool:
            if self.profile:
                self.profile.step()
            return next(first, False) or self.display.due() or self.saving.due() or signals.requested() is not None

        num_steps = self.facts.horizon.num_steps
        with signals.deferred():
            for progress in train(self.learner.step, self.batches, num_steps=num_steps, due=due, after=self.after):
                if progress.step == self.after.step + 1 and not progress.epoch_ended:
                    synchronize(self.facts.device)
                    self.clock.lap("warmup")
                if progress.epoch_ended:
                    self.run.end_epoch(progress, self._measure_epoch(progress))
                self.run.show_notes()
                self.display.refresh(progress.step)
                if signals.requested() or self.saving.due() or (self.run.status and self.saving.times):
                    self._save(progress)
                if signals.requested():
                    raise KeyboardInterrupt
                if self.run.status:
                    return

    def _measure_epoch(self, progress: Progress) -> Numbers:
        """The columns of metrics.csv that training gives: step, learning rate, losses, scores, time and speed of an epoch."""
        lr, measured = self.learner.lr, self.learner.collect()
        seconds, self.epoch_seconds = self.epoch_seconds + self.clock.lap("train"), 0.0
        warm_up = self.facts.batch_size if progress.epoch == self.after.epoch + self.after.epoch_ended else 0
        examples = measured.pop("examples") - warm_up
        row = {"epoch": progress.epoch, "step": progress.step, "lr": lr}
        row |= {f"train/{name}": number for name, number in measured.items()}
        return row | {"seconds": seconds} | ({"examples_per_s": examples / seconds} if examples > 0 else {})
