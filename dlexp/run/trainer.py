"""The course of one run: what happens at each boundary of the loop."""

import math
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from dlexp.contract import START, Progress
from dlexp.machine import device as hardware
from dlexp.run import signals as stop
from dlexp.run.clock import Clock
from dlexp.run.display import Display, epoch_line
from dlexp.run.divergence import Divergence
from dlexp.run.early_stopping import Watch
from dlexp.run.metrics import monitored, speed, watched_split
from dlexp.run.predictions import predictions
from dlexp.run.profiling import Profile
from dlexp.run.record import checkpoint
from dlexp.run.record.checkpoint import Cadence, Found
from dlexp.run.record.folder import Record
from dlexp.run.setup.build import build
from dlexp.run.setup.facts import Facts
from dlexp.training import compile as compilation
from dlexp.training.learner import Numbers
from dlexp.training.loop import train


class Course:
    """The course of one run: what is measured at each boundary of the loop, and whether it goes on."""

    def __init__(self, config: dict[str, Any], facts: Facts, written: Record, display: Display, title: str) -> None:
        self.config, self.facts, self.written, self.display = config, facts, written, display
        self.clock = Clock(compilation.seconds)
        display.begin(title, facts.horizon.num_steps, facts.horizon.num_epochs)
        self.learner, self.batches, self.evaluations, self.probes, self.init_hash = build(config, facts)
        self.divergence = Divergence(config["on_divergence"], self.learner)
        stopping = config["early_stopping"]
        self.watched = watched_split(config)
        self.empty_cache_every = config["hardware"]["empty_cache_every"]
        self.watch = Watch(stopping["patience"], stopping["min_delta"])
        self.keeps_best = stopping["patience"] is not None and stopping["restore_best"]
        self.best_weights: dict[str, Any] | None = None
        self.rows: list[Numbers] = []
        self.after = START
        self.status: str | None = None  # None while it trains
        self.epoch_seconds = 0.0  # of the epoch that is under way, up to the last boundary
        self.restarts, self.differs = 0, ""
        self.saving = Cadence(config["checkpoint_every"])
        self.profile = Profile(written.folder, facts.device, facts.horizon.num_steps) if config["profile"] else None
        self.clock.lap("setup")

    def complete(self) -> dict[str, Any]:
        """Train to the end, and look at the test set once."""
        if self.after == START:
            self._note({"epoch": 0, "step": 0, "lr": self.learner.lr})
        if self.status is None:
            self._train()
        if self.profile and (table := self.profile.finish()):
            self.display.table(table)
        if self.best_weights is not None:
            self.learner.load_weights(self.best_weights)
        restored_epoch = self.divergence.back_at if self.best_weights is None else self.watch.best_epoch
        self._probe(int(self.rows[-1]["epoch"]) if restored_epoch is None else restored_epoch, at_the_end=True)
        metrics = {name: number for name, number in self.rows[-1].items() if name.startswith(("train/", "val/"))}
        metrics |= self._test() | speed(self.rows, self.clock.seconds["train"], self.watched, self.config["target"])
        checkpoint.save_weights(self.written.folder, self.learner.weights())
        if self.watch.best_epoch is not None:
            best = self.rows[self.watch.best_epoch]
            metrics |= {f"best/{name}": best[name] for name in best if name.startswith(f"{self.watched}/")}
            metrics["best/epoch"] = self.watch.best_epoch
        return {
            "status": self.status,
            "metrics": metrics,
            "epochs": self.rows[-1]["epoch"],
            "steps": self.rows[-1]["step"],
            "first_bad_step": self.learner.first_bad_step,
            **self.divergence.summary(),
            "selected_on_test": self.watched == "test",
            "restored_epoch": restored_epoch,
            "num_parameters": self.facts.num_parameters,
            "num_examples": len(self.facts.dataset.train.targets),
            "num_test_examples": len(self.facts.dataset.test.targets),
            "chance": self.facts.dataset.chance,
            "init_hash": self.init_hash,
            "seconds": dict(self.clock.seconds),
            "memory": hardware.peak_memory(self.facts.device),
            "restarts": self.restarts,
            **self._microbatches(),
            **({"bit_exact": not self.differs, "differs": self.differs} if self.restarts else {}),
        }

    def _microbatches(self) -> dict[str, int]:
        """In how many parts a batch was computed at the end; 1: whole."""
        if self.config["on_oom"] == "fail":
            return {}
        learner = self.learner
        return {
            "microbatches": learner.microbatches.number,
            "evaluation_microbatches": learner.evaluation_microbatches.number,
        }

    def resume(self, found: Found) -> None:
        """Go on from a saved state, as if nothing had happened."""
        state = found.state
        self.learner.load(state["learner"])
        self.watch.load(state["watch"])
        if "divergence" in state:  # one that an earlier version saved has none
            self.divergence.load(state["divergence"])
        self.after, self.status = Progress(*state["progress"]), state["status"]
        self.rows, self.best_weights = state["rows"], state["best_weights"]
        self.probes.done = {(name, epoch) for name, epoch in state["probed"]}
        self.clock.seconds.update(state["seconds"])
        self.epoch_seconds = state["epoch_seconds"]
        self.restarts = state["restarts"] + 1
        self.differs = ", ".join(text for text in (state["differs"], found.differs) if text)
        self.saving.saved(0.0)

    def _save(self, progress: Progress) -> None:
        """Write everything that the rest of the run depends on, unless that would cost the last state worth going on from."""
        if not self.divergence.may_save:
            self.saving.put_off()
            return
        self.epoch_seconds += self.clock.lap("train")
        start = perf_counter()
        state = {
            "learner": self.learner.state(),
            "watch": self.watch.state(),
            "divergence": self.divergence.state(),
            "progress": list(progress),
            "status": self.status,
            "rows": self.rows,
            "best_weights": self.best_weights,
            "probed": [list(measured) for measured in sorted(self.probes.done)],
            "seconds": dict(self.clock.seconds),
            "epoch_seconds": self.epoch_seconds,
            "restarts": self.restarts,
            "differs": self.differs,
        }
        checkpoint.save(self.written.folder, state, progress.step, self.written.sync())
        self.saving.saved(perf_counter() - start)
        self.clock.lap("checkpoint")

    def _train(self) -> None:
        """Run the loop until there is a status, or a signal asks to stop.

        Raises:
            KeyboardInterrupt: After the state was saved.
        """
        # The first step is a boundary of its own: its warm-up (kernels, compilation) is no part of the training time.
        first = iter([True])

        def due() -> bool:
            if self.profile:
                self.profile.step()
            return next(first, False) or self.display.due() or self.saving.due() or stop.requested() is not None

        num_steps = self.facts.horizon.num_steps
        with stop.deferred():
            for progress in train(self.learner.step, self.batches, num_steps=num_steps, due=due, after=self.after):
                if progress.step == self.after.step + 1 and not progress.epoch_ended:
                    hardware.wait(self.facts.device)
                    self.clock.lap("warmup")
                if progress.epoch_ended:
                    self.status = self._end_epoch(progress)
                self._tell()
                self.display.refresh(progress.step)
                if stop.requested() or self.saving.due() or (self.status and self.saving.times):
                    self._save(progress)
                if stop.requested():
                    raise KeyboardInterrupt
                if self.status:
                    return

    def _tell(self) -> None:
        """Say, and write into the log, what the learner has noted since."""
        for note in self.learner.notes:
            self._say(note)
        self.learner.notes.clear()

    def _say(self, text: str) -> None:
        self.display.say(text)
        self.written.log(text)

    def _end_epoch(self, progress: Progress) -> str | None:
        """Measure an epoch, and do what follows from it.

        Returns:
            The status, if the run ends here.
        """
        self._measure(progress)
        if self.empty_cache_every and progress.epoch % self.empty_cache_every == 0:
            hardware.empty_cache()  # books its time, and that of asking anew, under the next epoch
        row = self.rows[-1]
        losses = [f"{split}/loss" for split in ("train", self.watched) if split]
        bad = [name for name in losses if not math.isfinite(row[name])]
        self._judge(progress.epoch, bad)
        if self.divergence.ends_run:
            return "diverged"
        value = monitored(row, self.watched, self.config["monitor"])
        if bad and value is not None:
            value = math.nan  # an error rate is finite there too, and a guess may be the best so far
        if value is not None and self.watch.update(progress.epoch, value) and self.keeps_best:
            self.best_weights = self.learner.weights()
        self.learner.end_epoch(value)
        last = progress.step == self.facts.horizon.num_steps
        ended = "early_stopped" if self.watch.should_stop else "done" if last else None
        return "diverged" if ended and bad else ended

    def _judge(self, epoch: int, bad: list[str]) -> None:
        """Do what `on_divergence` says of an epoch with these losses that are not finite, and say so."""
        if not bad:
            self.divergence.take_finite(epoch)
        elif undone := self.divergence.take_bad(epoch, bad):
            self._say(undone)
        if self.divergence.policy == "rollback":
            self.clock.lap("checkpoint")  # in memory

    def _measure(self, progress: Progress) -> None:
        """Make the row of an epoch that has just ended."""
        lr, measured = self.learner.lr, self.learner.collect()
        seconds, self.epoch_seconds = self.epoch_seconds + self.clock.lap("train"), 0.0
        warm_up = self.facts.batch_size if progress.epoch == self.after.epoch + self.after.epoch_ended else 0
        examples = measured.pop("examples") - warm_up
        row = {"epoch": progress.epoch, "step": progress.step, "lr": lr}
        row |= {f"train/{name}": number for name, number in measured.items()}
        self._note(row | {"seconds": seconds} | ({"examples_per_s": examples / seconds} if examples > 0 else {}))

    def _note(self, row: Numbers) -> None:
        """Complete a row with what is evaluated every epoch, write it and show it."""
        self.rows.append(row | (self._evaluate(self.watched) if self.watched else {}))
        self.written.row(self.rows[-1])
        self.written.log(epoch_line(self.rows[-1], self.facts.horizon.num_epochs))
        self.display.epoch(self.rows[-1])
        self.clock.lap("record")
        self._probe(int(self.rows[-1]["epoch"]))

    def _probe(self, epoch: int, *, at_the_end: bool = False) -> None:
        """Let the probes that are due look at the model, and write what they found."""
        for name, measured in self.probes.measure(epoch, at_the_end=at_the_end):
            self.written.scalars(epoch, name, measured.scalars)
            self.written.arrays(f"{name}-{epoch}", measured.arrays)
            self.clock.lap("probe")

    def _test(self) -> Numbers:
        """Evaluate on the test split, and keep the answers."""
        outputs: list[Tensor] = []
        numbers = self._evaluate("test", outputs)
        self.written.arrays("predictions", predictions(torch.cat(outputs), self.facts.dataset))
        self.clock.lap("record")
        return numbers

    def _evaluate(self, split: str, outputs_of: list[Tensor] | None = None) -> Numbers:
        mirror = split == "test" and self.config["test_flip"]
        numbers = self.learner.evaluate(self.evaluations[split], outputs_of, mirror=mirror)
        self._tell()
        self.clock.lap("evaluation")
        return {f"{split}/{name}": number for name, number in numbers.items()}
