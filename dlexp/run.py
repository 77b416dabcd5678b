"""One run in the order it happens: facts → parts → loop → record."""

import math
import traceback
from functools import partial
from typing import Any

import torch
import yaml
from omegaconf import OmegaConf
from torch import Tensor

from dlexp import hardware, record
from dlexp.build import build
from dlexp.clock import Clock
from dlexp.config import overridden_keys
from dlexp.contract import Progress
from dlexp.display import Display, epoch_line
from dlexp.facts import Facts, check_facts
from dlexp.learner import Numbers
from dlexp.loop import train
from dlexp.parts import load_dataset, make_probes, part
from dlexp.plan import Run
from dlexp.predictions import predictions
from dlexp.record import Record
from dlexp.watch import Watch


def gather_facts(run: Run) -> Facts:
    """Load the data, look at the model, and hold the config against both. Leaves nothing on disk but decoded data.

    Raises:
        ConfigError: With what does not fit together.
        UnsupportedError: If only this machine stands in the way.
        DatasetError: If the data cannot be had.
    """
    parts = {group: part(run.config, group) for group in ("augment", "model", "precision")}
    parts["probe"] = partial(make_probes, run.config)
    overridden = overridden_keys(run.composed.overrides)
    return check_facts(run.config, run.composed.choices, overridden, parts, load_dataset(run.config), run.device)


def execute(run: Run, facts: Facts, display: Display) -> dict[str, Any] | None:
    """Train, measure and record one run; a failure of its own becomes a record too.

    Returns:
        The summary as written, or None if another process has finished the run since it was planned.

    Raises:
        HeldError: If another process has the run.
    """
    with record.hold(run.shelf, run.identity):
        before = run.summary()
        if before and not run.is_due():
            return None
        folder = run.folder
        if folder.exists() and before is None:
            display.say(f"{folder} was interrupted before its end: it starts over.")
        written = Record(folder, _columns(run, facts), _files(run))
        written.log(run.title)
        summary: dict[str, Any] = {"id": run.identity, "choices": run.composed.choices, "overrides": run.differences}
        try:
            summary |= _Course(run, facts, written, display).complete()
        except Exception as error:
            written.log(traceback.format_exc())
            summary |= {"status": "oom" if _is_out_of_memory(error) else "failed", "reason": f"{type(error).__name__}: {error}"}
        finally:
            display.end()
        return written.finish({**summary, **hardware.describe(run.device)})


class _Course:
    """The course of one run: what is measured at each boundary of the loop, and whether it goes on."""

    def __init__(self, run: Run, facts: Facts, written: Record, display: Display) -> None:
        self.config, self.facts, self.written, self.display = run.config, facts, written, display
        self.clock = Clock()
        display.begin(run.title, facts.horizon.num_steps, facts.horizon.num_epochs)
        self.learner, self.batches, self.evaluations, self.probes, self.init_hash = build(run.config, facts)
        stopping = run.config["early_stopping"]
        self.watched = _watched(run.config)
        self.watch = Watch(stopping["patience"], stopping["min_delta"])
        self.keeps_best = stopping["patience"] is not None and stopping["restore_best"]
        self.best_weights: dict[str, Any] | None = None
        self.rows: list[Numbers] = []
        self.clock.lap("setup")

    def complete(self) -> dict[str, Any]:
        """Train to the end, and look at the test set once."""
        self._note({"epoch": 0, "step": 0, "lr": self.learner.lr})
        status = self._train()
        if self.best_weights is not None:
            self.learner.load_weights(self.best_weights)
        restored_epoch = None if self.best_weights is None else self.watch.best_epoch
        self._probe(restored_epoch or int(self.rows[-1]["epoch"]), at_the_end=True)
        metrics = {name: number for name, number in self.rows[-1].items() if name.startswith(("train/", "val/"))}
        metrics |= self._test()
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
        for progress in train(
            self.learner.step,
            self.batches,
            num_steps=self.facts.horizon.num_steps,
            due=lambda: next(first, False) or self.display.due(),
        ):
            if not progress.epoch_ended:
                if progress.step == 1:
                    hardware.wait(self.facts.device)
                    self.clock.lap("warmup")
                self.display.refresh(progress.step)
                continue
            self._measure(progress)
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


def _columns(run: Run, facts: Facts) -> list[str]:
    """The columns of metrics.csv."""
    score = "acc" if facts.dataset.task == "classification" else "rmse"
    watched = _watched(run.config)
    columns = ["epoch", "step", "lr", "train/loss", f"train/{score}"]
    columns += [f"{watched}/loss", f"{watched}/{score}"] if watched else []
    columns += ["train/grad_norm"]
    columns += ["train/clip_rate"] if run.config["grad_clip"] is not None else []
    columns += ["train/overflow_steps"] if run.config["precision"]["format"] == "fp16" else []
    return [*columns, "seconds", "examples_per_s"]


def _files(run: Run) -> dict[str, str]:
    """What stands in a run folder from the start."""
    return {
        "config.yaml": yaml.safe_dump(run.config, sort_keys=False),
        ".hydra/config.yaml": OmegaConf.to_yaml(run.composed.cfg),
        ".hydra/overrides.yaml": yaml.safe_dump(list(run.composed.overrides)),
        ".hydra/hydra.yaml": yaml.safe_dump({"hydra": {"runtime": {"choices": run.composed.choices}}}),
    }


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
