"""The course of one run: what happens at each boundary of the loop."""

import math
from typing import Any

import torch
from torch import Tensor

from dlexp import compilation, hardware
from dlexp.build import build
from dlexp.clock import Clock
from dlexp.contract import Progress
from dlexp.display import Display, epoch_line
from dlexp.facts import Facts
from dlexp.learner import Numbers
from dlexp.loop import train
from dlexp.predictions import predictions
from dlexp.profiling import Profile
from dlexp.record import Record
from dlexp.watch import Watch


class Course:
    """The course of one run: what is measured at each boundary of the loop, and whether it goes on."""

    def __init__(self, config: dict[str, Any], facts: Facts, written: Record, display: Display, title: str) -> None:
        self.config, self.facts, self.written, self.display = config, facts, written, display
        self.clock = Clock(compilation.seconds)
        display.begin(title, facts.horizon.num_steps, facts.horizon.num_epochs)
        self.learner, self.batches, self.evaluations, self.probes, self.init_hash = build(config, facts)
        stopping = config["early_stopping"]
        self.watched = _watched(config)
        self.empty_cache_every = config["hardware"]["empty_cache_every"]
        self.watch = Watch(stopping["patience"], stopping["min_delta"])
        self.keeps_best = stopping["patience"] is not None and stopping["restore_best"]
        self.best_weights: dict[str, Any] | None = None
        self.rows: list[Numbers] = []
        self.profile = Profile(written.folder, facts.device, facts.horizon.num_steps) if config["profile"] else None
        self.clock.lap("setup")

    def complete(self) -> dict[str, Any]:
        """Train to the end, and look at the test set once."""
        self._note({"epoch": 0, "step": 0, "lr": self.learner.lr})
        status = self._train()
        if self.profile and (table := self.profile.finish()):
            self.display.table(table)
        if self.best_weights is not None:
            self.learner.load_weights(self.best_weights)
        restored_epoch = None if self.best_weights is None else self.watch.best_epoch
        self._probe(restored_epoch or int(self.rows[-1]["epoch"]), at_the_end=True)
        metrics = {name: number for name, number in self.rows[-1].items() if name.startswith(("train/", "val/"))}
        metrics |= self._test() | self._speed()
        if self.watch.best_epoch is not None:
            best = self.rows[self.watch.best_epoch]
            metrics |= {f"best/{name}": best[name] for name in best if name.startswith(f"{self.watched}/")}
            metrics["best/epoch"] = self.watch.best_epoch
        return {
            "status": status,
            "metrics": metrics,
            "epochs": self.rows[-1]["epoch"],
            "steps": self.rows[-1]["step"],
            "first_bad_step": self.learner.first_bad_step,
            "selected_on_test": self.watched == "test",
            "restored_epoch": restored_epoch,
            "num_parameters": self.facts.num_parameters,
            "num_examples": len(self.facts.dataset.train.targets),
            "num_test_examples": len(self.facts.dataset.test.targets),
            "chance": self.facts.dataset.chance,
            "init_hash": self.init_hash,
            "seconds": dict(self.clock.seconds),
            "memory": hardware.peak_memory(self.facts.device),
        }

    def _train(self) -> str:
        """Run the loop.

        Returns:
            The status.
        """
        # The first step is a boundary of its own: its warm-up (kernels, compilation) is no part of the training time.
        first = iter([True])

        def due() -> bool:
            if self.profile:
                self.profile.step()
            return next(first, False) or self.display.due()

        for progress in train(self.learner.step, self.batches, num_steps=self.facts.horizon.num_steps, due=due):
            if not progress.epoch_ended:
                if progress.step == 1:
                    hardware.wait(self.facts.device)
                    self.clock.lap("warmup")
                self.display.refresh(progress.step)
                continue
            self._measure(progress)
            if self.empty_cache_every and progress.epoch % self.empty_cache_every == 0:
                hardware.empty_cache()  # books its time, and that of asking anew, under the next epoch
            row = self.rows[-1]
            if not all(math.isfinite(row[f"{split}/loss"]) for split in ("train", self.watched) if split):
                return "diverged"
            value = _monitored(row, self.watched, self.config["monitor"])
            if value is not None and self.watch.update(progress.epoch, value) and self.keeps_best:
                self.best_weights = self.learner.weights()
            self.learner.end_epoch(value)
            if self.watch.should_stop:
                return "early_stopped"
        return "done"

    def _measure(self, progress: Progress) -> None:
        """Make the row of an epoch that has just ended."""
        lr, measured = self.learner.lr, self.learner.collect()
        seconds = self.clock.lap("train")
        examples = measured.pop("examples") - (self.facts.batch_size if progress.epoch == 1 else 0)
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

    def _speed(self) -> Numbers:
        """Seconds of training without its first step, examples a second, and the seconds to the target where it was reached."""
        seconds = self.clock.seconds["train"]
        numbers = {"train/seconds": seconds}
        timed = [row for row in self.rows if row.get("examples_per_s")]
        if timed:
            examples = sum(row["examples_per_s"] * row["seconds"] for row in timed)
            numbers["train/examples_per_s"] = examples / sum(row["seconds"] for row in timed)
        target = self.config["target"]
        if target is not None:
            reached = (row["epoch"] for row in self.rows[1:] if _reaches(row, str(self.watched), target))
            epoch = next(reached, None)
            numbers["target/epoch"] = math.nan if epoch is None else epoch
            numbers["target/seconds"] = (
                math.nan if epoch is None else sum(row["seconds"] for row in self.rows[1:] if row["epoch"] <= epoch)
            )
        return numbers

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
        self.clock.lap("evaluation")
        return {f"{split}/{name}": number for name, number in numbers.items()}


def _watched(config: dict[str, Any]) -> str | None:
    """The split that is evaluated every epoch, or None."""
    if config["evaluate_on"] == "test":
        return "test"
    return "val" if config["val_fraction"] else None


def _monitored(row: Numbers, watched: str | None, monitor: str) -> float | None:
    """The value that chooses the best epoch, lower is better: the loss, or the error rate."""
    if watched is None:
        return None
    return row[f"{watched}/loss"] if monitor == "loss" else 1.0 - row[f"{watched}/acc"]


def _reaches(row: Numbers, watched: str, target: float) -> bool:
    if f"{watched}/acc" in row:
        return row[f"{watched}/acc"] >= target
    return row[f"{watched}/rmse"] <= target


def columns(config: dict[str, Any], facts: Facts) -> list[str]:
    """The columns of metrics.csv."""
    score = "acc" if facts.dataset.task == "classification" else "rmse"
    watched = _watched(config)
    columns = ["epoch", "step", "lr", "train/loss", f"train/{score}"]
    columns += [f"{watched}/loss", f"{watched}/{score}"] if watched else []
    columns += ["train/grad_norm"]
    columns += ["train/clip_rate"] if config["grad_clip"] is not None else []
    columns += ["train/overflow_steps"] if config["precision"]["format"] == "fp16" else []
    return [*columns, "seconds", "examples_per_s"]
