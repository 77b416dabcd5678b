"""The state of one run while it is trained: its rows, best weights, early stopping, divergence, status and record."""

import math
from typing import Any

import torch
from torch import Tensor

from dlexp.data.preprocessing import describe_preprocessing, to_json
from dlexp.machine.device import empty_cache
from dlexp.run.class_scores import Answers, measure_classes, measure_score, measure_scores
from dlexp.run.clock import Clock
from dlexp.run.display import Display
from dlexp.run.divergence import Divergence
from dlexp.run.early_stopping import EarlyStopping
from dlexp.run.metrics import list_scores, monitored, name_score, speed, watched_split
from dlexp.run.numbers import epoch_line
from dlexp.run.predictions import select_predictions
from dlexp.run.record import checkpoint
from dlexp.run.record.folder import Record
from dlexp.run.setup.build import Built
from dlexp.run.setup.facts import Facts, draws_data
from dlexp.training.learner import Numbers
from dlexp.training.loop import Progress


class RunState:
    """Decides and records what happens to one run at the end of each epoch and at its own end.

    Args:
        config: Resolved, with all settings chosen.
        facts: Device, data and sizes of the run.
        built: The objects that are trained and evaluated.
        record: The open run folder.
        display: Shows rows and messages.
        clock: Books the time of evaluation, probes and recording.
    """

    def __init__(
        self, config: dict[str, Any], facts: Facts, built: Built, record: Record, display: Display, clock: Clock
    ) -> None:
        self.config, self.facts, self.built = config, facts, built
        self.record, self.display, self.clock = record, display, clock
        self.learner, self.probes = built.learner, built.probes
        self.status: str | None = None  # None while the run is trained
        self.rows: list[Numbers] = []  # the rows of metrics.csv
        self.watched = watched_split(config)
        stopping = config["early_stopping"]
        self.early_stopping = EarlyStopping(stopping["patience"], stopping["min_delta"])
        self.restores_best = stopping["patience"] is not None and stopping["restore_best"]
        self.best_weights: dict[str, Tensor] | None = None
        self.divergence = Divergence(config["on_divergence"], self.learner)
        self.of_classes: dict[str, Numbers] = {}  # score of the test split → class → value

    def begin(self) -> None:
        """Record the untrained model as row 0."""
        for note in self.facts.notes:
            self.say(note)
        self._add_row({"epoch": 0, "step": 0, "lr": self.learner.lr})

    def end_epoch(self, progress: Progress, row: Numbers) -> None:
        """Record an epoch, act on its losses, and set `status` if the run ends with it.

        Args:
            progress: The boundary at the end of the epoch.
            row: What was measured in training, as columns of metrics.csv; evaluation is added here.
        """
        self._add_row(row)
        every = self.config["hardware"]["empty_cache_every"]
        if every and progress.epoch % every == 0:
            empty_cache()  # its time, and that of allocating again, counts in the next epoch
        row = self.rows[-1]
        losses = [f"{split}/loss" for split in ("train", self.watched) if split]
        bad = [name for name in losses if not math.isfinite(row[name])]
        self._apply_divergence(progress.epoch, bad)
        if self.divergence.ends_run:
            self.status = "diverged"
            return
        value = monitored(row, self.watched, self.config["monitor"])
        if bad and value is not None:
            value = math.nan  # an error rate is finite even then, and a constant answer might count as the best epoch
        if value is not None and self.early_stopping.update(progress.epoch, value) and self.restores_best:
            self.best_weights = self.learner.snapshot("weights")["model"]
        self.learner.end_epoch(value)
        last = progress.step == self.facts.horizon.num_steps
        ended = "early_stopped" if self.early_stopping.should_stop else "done" if last else None
        self.status = "diverged" if ended and bad else ended

    def _apply_divergence(self, epoch: int, bad: list[str]) -> None:
        if not bad:
            self.divergence.record_finite(epoch)
        elif undone := self.divergence.record_bad(epoch, bad):
            self.say(undone)
        if self.divergence.policy == "rollback":
            self.clock.lap("checkpoint")  # a snapshot in memory

    def finish(self) -> dict[str, Any]:
        """Restore the weights to be tested, look at the test split once, and save the weights.

        Weights that are not finite, or that no step changed, are not tested: the run has diverged, its test metrics are nan.

        Returns:
            The entries of summary.json that follow from training and test.
        """
        self.learner.end_training()
        if self.best_weights is not None:
            self.learner.restore({"model": self.best_weights})
        restored_epoch = self.divergence.restored_epoch if self.best_weights is None else self.early_stopping.best_epoch
        last, unusable = self.rows[-1], self.divergence.explain_unusable(self.rows)
        self.status = "diverged" if unusable else self.status
        self._measure_probes(int(last["epoch"]) if restored_epoch is None else restored_epoch, at_the_end=True)
        metrics = {name: number for name, number in last.items() if name.startswith(("train/", "val/"))}
        metrics |= self._test(usable=not unusable) | speed(
            self.rows, self.clock.seconds["train"], self.watched, self.config["target"]
        )
        self.record.expect(checkpoint.save_weights(self.record.folder, self.learner.snapshot("weights")["model"]))
        self.record.preprocessing(to_json(describe_preprocessing(self.facts.dataset)))
        if self.early_stopping.best_epoch is not None:
            best = self.rows[self.early_stopping.best_epoch]
            metrics |= {f"best/{name}": best[name] for name in best if name.startswith(f"{self.watched}/")}
            metrics["best/epoch"] = self.early_stopping.best_epoch
        dataset = self.facts.dataset
        return {
            "status": self.status,
            "metrics": metrics,
            **({"of_classes": self.of_classes} if self.of_classes else {}),
            "epochs": last["epoch"],
            "steps": last["step"],
            "first_bad_step": self.learner.first_bad_step,
            **self.divergence.summarise(),
            **({"reason": unusable} if unusable else {}),
            "selected_on_test": self.watched == "test",
            "restored_epoch": restored_epoch,
            "num_parameters": self.built.num_parameters,
            "num_examples": len(dataset.train.targets),
            "num_test_examples": len(dataset.test.targets),
            "chance": dataset.chance,
            "data_drawn": draws_data(self.config, dataset),
            "init_hash": self.built.init_hash,
            **self.learner.count_microbatches(),
        }

    def snapshot(self) -> dict[str, Any]:
        """The state that `restore` needs, the learner's included."""
        return {
            "learner": self.learner.snapshot("everything"),
            "watch": self.early_stopping.snapshot(),
            "divergence": self.divergence.snapshot(),
            "status": self.status,
            "rows": self.rows,
            "best_weights": self.best_weights,
            "probed": [list(measured) for measured in sorted(self.probes.done)],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Set the state to what `snapshot` returned, as if training had never stopped."""
        self.learner.restore(snapshot["learner"])
        self.early_stopping.restore(snapshot["watch"])
        if "divergence" in snapshot:  # saved states from before `on_divergence` existed have none
            self.divergence.restore(snapshot["divergence"])
        self.status, self.rows, self.best_weights = snapshot["status"], snapshot["rows"], snapshot["best_weights"]
        self.probes.done = {(name, epoch) for name, epoch in snapshot["probed"]}

    def show_notes(self) -> None:
        """Show and log the learner's messages."""
        for note in self.learner.notes:
            self.say(note)
        self.learner.notes.clear()

    def say(self, text: str) -> None:
        """Show a line, and write it into train.log."""
        self.display.say(text)
        self.record.log(text)

    def _add_row(self, row: Numbers) -> None:
        """Add the evaluation of the watched split to a row, write it, show it, and measure the probes."""
        self.rows.append(row | (self._evaluate(self.watched) if self.watched else {}))
        self.record.row(self.rows[-1])
        self.record.log(epoch_line(self.rows[-1], self.facts.horizon.num_epochs))
        self.display.epoch(self.rows[-1])
        self.clock.lap("record")
        self._measure_probes(int(self.rows[-1]["epoch"]))

    def _measure_probes(self, epoch: int, *, at_the_end: bool = False) -> None:
        for measured in self.probes.measure(epoch, at_the_end=at_the_end):
            self.record.measurement(epoch, measured)
            self.clock.lap("probe")

    def _test(self, *, usable: bool) -> Numbers:
        """Evaluate the test split, and save its predictions if they are such."""
        dataset, unknown = self.facts.dataset, dict.fromkeys(list_scores(self.facts.dataset), math.nan)
        numbers = dict.fromkeys(("loss", name_score(dataset.task)), math.nan)
        if usable:
            outputs: list[Tensor] = []
            numbers = self._evaluate_split("test", outputs)
            if math.isfinite(numbers["loss"]):
                self.record.arrays("predictions", select_predictions(torch.cat(outputs), dataset))
                if unknown:
                    answers = Answers(torch.cat(outputs), dataset.test.targets)
                    unknown = measure_scores(answers)
                    self.of_classes = measure_classes(answers, dataset.classes)
            self.clock.lap("record")
        return {f"test/{name}": number for name, number in {**numbers, **unknown}.items()}

    def _evaluate(self, split: str) -> Numbers:
        """Loss and score of a split, and the monitored score if it is another one."""
        monitor, dataset = self.config["monitor"], self.facts.dataset
        outputs: list[Tensor] | None = None if monitor in ("loss", "acc") else []
        numbers = self._evaluate_split(split, outputs)
        if outputs is not None:
            numbers[monitor] = math.nan
            if math.isfinite(numbers["loss"]):
                targets = getattr(dataset, split).targets
                numbers[monitor] = measure_score(monitor, Answers(torch.cat(outputs), targets), dataset.classes)
            self.clock.lap("evaluation")
        return {f"{split}/{name}": number for name, number in numbers.items()}

    def _evaluate_split(self, split: str, outputs_of: list[Tensor] | None) -> Numbers:
        mirror = split == "test" and self.config["test_flip"]
        numbers = self.learner.evaluate(self.built.evaluations[split], outputs_of, mirror=mirror)
        self.show_notes()
        self.clock.lap("evaluation")
        return numbers
