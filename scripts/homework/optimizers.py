"""Part C of the sheet: SGD, momentum and Adam at three learning rates, with and without decay (study `optimizer_lr`)."""

import numpy as np
import pandas as pd

from dlexp.analysis.judge.statistics import summarise
from dlexp.analysis.report.figures.probes import layer_label
from dlexp.analysis.report.labels import show

from .compare import difference, format_gap, format_percent, format_points, format_rate, format_sample, judge_side, ratio
from .evidence import Cell, Evidence, Finding, Sample, on_each
from .words import display_name, document_value, judge_claim, say

STUDY = "optimizer_lr"
DATASETS = ("digits",)
OPTIMIZERS = ("sgd", "momentum", "adam")
LRS = (0.1, 0.01, 0.001)
HIGH, MIDDLE, LOW = LRS


def arm(dataset: str, optimizer: str, lr: float, scheduler: str = "exponential") -> Cell:
    """One arm of the study."""
    return {"dataset": dataset, "scheduler": scheduler, "optimizer": optimizer, "optimizer.lr": lr}


def best_rates(evidence: Evidence, dataset: str) -> str:
    """Each optimizer at its best learning rate, and the differences that remain."""
    best: dict[str, tuple[float, Sample]] = {}
    for optimizer in OPTIMIZERS:
        arms = {lr: evidence.values(STUDY, arm(dataset, optimizer, lr), "test/acc") for lr in LRS}
        lr = max(arms, key=lambda lr: summarise(list(arms[lr].values())).mean)
        best[optimizer] = lr, arms[lr]
    choices = ", ".join(
        f"{display_name(optimizer)} {format_rate(sample)} at {show(lr)}" for optimizer, (lr, sample) in best.items()
    )
    apart = {optimizer: difference(best["adam"][1], best[optimizer][1]) for optimizer in ("sgd", "momentum")}
    at_low = {
        optimizer: difference(
            evidence.values(STUDY, arm(dataset, "adam", LOW), "test/acc"),
            evidence.values(STUDY, arm(dataset, optimizer, LOW), "test/acc"),
        )
        for optimizer in apart
    }
    mostly = all(abs(apart[optimizer].estimate) < abs(at_low[optimizer].estimate) / 2 for optimizer in apart)
    values = {f"low_{optimizer}": format_points(found) for optimizer, found in at_low.items()}
    values |= {f"best_{optimizer}": format_points(found) for optimizer, found in apart.items()}
    return say("best_rates", "rate" if mostly else "more", dataset=dataset, low=show(LOW), best=choices, **values)


def adam_is_best(evidence: Evidence, dataset: str) -> str:
    """The document's ranking in its own table and in our runs: Adam at the low rate against momentum at the high rate."""
    cells = arm(dataset, "adam", LOW), arm(dataset, "momentum", HIGH)
    adam, momentum = (evidence.values(STUDY, cell, "test/acc") for cell in cells)
    found = difference(adam, momentum)
    reported = {
        key: format_percent(evidence.published(STUDY, cell)) for key, cell in zip(("adam", "momentum"), cells, strict=True)
    }
    values = {"low": show(LOW), "high": show(HIGH), "gap": format_points(found)}
    return judge_claim(judge_side(found, "greater"), "adam_best", dataset=dataset, **reported, **values)


def stability(evidence: Evidence, dataset: str) -> str:
    """The scatter of the last losses at the high learning rate against the low rate, with decay and without."""
    parts, sides = [], set()
    for scheduler in ("exponential", "constant"):
        for optimizer in OPTIMIZERS:
            samples = [evidence.values(STUDY, arm(dataset, optimizer, lr, scheduler), "stability") for lr in (HIGH, LOW)]
            found = ratio(*samples)
            sides.add(found.side)
            parts.append(
                f"{display_name(optimizer)} {format_gap(found)}"
                + f", {display_name(scheduler)}" * (optimizer == OPTIMIZERS[-1])
            )
    outcome = sides.pop() if len(sides) == 1 else "unknown"
    return say("stability", outcome, dataset=dataset, high=show(HIGH), low=show(LOW), ratios="; ".join(parts))


def stability_claim(evidence: Evidence, dataset: str) -> str:
    """The claim that Adam's last losses are unstable at the high rate, and its accuracy there."""
    verdict = evidence.verdict(
        STUDY, [dataset], f"On {dataset}, Adam's last losses are less stable at learning rate {HIGH} than at {LOW}"
    )
    both = [{"dataset": dataset, "optimizer": "adam", "optimizer.lr": lr} for lr in (HIGH, LOW)]  # with decay and without
    scatter = format_gap(difference(*(evidence.values(STUDY, cell, "stability") for cell in both)))
    cell = arm(dataset, "adam", HIGH)
    measured, reported = (
        format_rate(evidence.values(STUDY, cell, "test/acc")),
        format_percent(evidence.published(STUDY, cell)),
    )
    values = {"high": show(HIGH), "low": show(LOW), "measured": measured, "reported": reported}
    return judge_claim(verdict.verdict, "adam_unstable", scatter=scatter, **values)


def adams_start(evidence: Evidence, dataset: str) -> str:
    """Validation accuracy after one epoch at the low rate, and of SGD at a rate a hundred times as high."""
    low = {
        optimizer: evidence.curve(STUDY, arm(dataset, optimizer, LOW), "val/acc", lambda c: c.iloc[0])
        for optimizer in OPTIMIZERS
    }
    faster = evidence.curve(STUDY, arm(dataset, "sgd", HIGH), "val/acc", lambda c: c.iloc[0])
    found, caught_up = difference(low["adam"], low["sgd"]), difference(low["adam"], faster)
    starts = ", ".join(f"{display_name(optimizer)} {format_rate(sample)}" for optimizer, sample in low.items())
    sentence = say("adams_start", found.side, dataset=dataset, low=show(LOW), starts=starts, gap=format_points(found))
    values = {"high": show(HIGH), "sgd": format_rate(faster), "gap": format_points(caught_up)}
    return f"{sentence} {say('adams_start_why', caught_up.side, **values)}"


def epochs_to_converge(evidence: Evidence, dataset: str) -> str:
    """Epochs to converge at the low rate, and the published ones."""
    measured, reported = [], document_value("convergence_optimizer", dataset)
    for optimizer in OPTIMIZERS:
        cell = arm(dataset, optimizer, LOW)
        sample, runs = evidence.values(STUDY, cell, "convergence_epoch"), len(evidence.runs(STUDY, cell))
        runs_and_published = f"{len(sample)} of {runs} runs; published {reported[optimizer][show(LOW)]}"
        measured.append(f"{display_name(optimizer)} {format_sample(sample)} ({runs_and_published})")
    return say("epochs_to_converge", low=show(LOW), epochs="; ".join(measured))


def decay(evidence: Evidence, dataset: str) -> str:
    """The effect of the decay on accuracy and on the scatter of the last losses, at the high and the low rate."""
    parts = []
    for lr in (HIGH, LOW):
        cells = [{"dataset": dataset, "scheduler": scheduler, "optimizer.lr": lr} for scheduler in ("exponential", "constant")]
        accuracy = difference(*(evidence.values(STUDY, cell, "test/acc") for cell in cells))
        scatter = ratio(*(evidence.values(STUDY, cell, "stability") for cell in cells))
        values = {"lr": show(lr), "accuracy": format_points(accuracy), "scatter": format_gap(scatter)}
        parts.append(say("decay_accuracy", accuracy.side, **values) + " " + say("decay_scatter", scatter.side, **values))
    return f"{say('decay', dataset=dataset)} {'; '.join(parts)}."


def decay_price(evidence: Evidence, dataset: str) -> str:
    """The effect of the decay on the accuracy of each optimizer, at the low rate."""
    parts = []
    for optimizer in OPTIMIZERS:
        samples = (
            evidence.values(STUDY, arm(dataset, optimizer, LOW, kind), "test/acc") for kind in ("exponential", "constant")
        )
        parts.append(f"{display_name(optimizer)} {format_points(difference(*samples))}")
    return say("decay_price", low=show(LOW), gaps="; ".join(parts))


def vanishing(evidence: Evidence, dataset: str) -> str:
    """The first layer's gradient at the end relative to the start, by optimizer, at the high and the low rate."""
    parts, sides, layer = [], set(), ""
    for lr in (HIGH, LOW):
        for optimizer in OPTIMIZERS:
            cell = arm(dataset, optimizer, lr)
            first, last = (evidence.layers(STUDY, cell, "grad_flow/mean_abs", at) for at in ("first", "last"))
            layer = list(first)[0]
            found = ratio(last[layer], first[layer])
            sides.add(found.side)
            parts.append(f"{display_name(optimizer)} {format_gap(found)}" + f" at {show(lr)}" * (optimizer == OPTIMIZERS[-1]))
    outcome = sides.pop() if len(sides) == 1 else "unknown"
    return say("gradient_left", outcome, dataset=dataset, layer=layer_label(layer), ratios="; ".join(parts))


def jumps(evidence: Evidence, dataset: str) -> str:
    """The largest jump of the gradient norm from one epoch to the next, and how many norms are not finite."""

    def largest(curve: pd.Series) -> float:
        return float(np.nanmax((curve / curve.shift()).to_numpy(float)))

    jump = {
        optimizer: evidence.curve(STUDY, arm(dataset, optimizer, HIGH), "train/grad_norm", largest) for optimizer in OPTIMIZERS
    }
    curves = evidence.result(STUDY, dataset, "curves").curves
    norms = curves.loc[(curves["dataset"] == dataset) & (curves["epoch"] > 0), "train/grad_norm"].astype(float)
    bad = int((~np.isfinite(norms)).sum())
    found = ratio(jump["adam"], jump["sgd"])
    factors = ", ".join(f"{display_name(optimizer)} {format_sample(sample)}" for optimizer, sample in jump.items())
    reported = document_value("gradient_norm_not_finite")
    words = say("norms", "some" if bad else "none", reported=reported["norms"], of=reported["of"], bad=bad, norms=len(norms))
    return f"{say('jumps', found.side, dataset=dataset, jumps=factors, gap=format_gap(found), high=show(HIGH))} {words}"


FINDINGS: dict[str, list[Finding]] = {
    "curves_differ": [*on_each(best_rates, DATASETS), *on_each(adam_is_best, DATASETS)],
    "rate_and_stability": [*on_each(stability, DATASETS), *on_each(stability_claim, DATASETS)],
    "adam_starts_fast": [*on_each(adams_start, DATASETS), *on_each(epochs_to_converge, DATASETS)],
    "decay": [*on_each(decay, DATASETS), *on_each(decay_price, DATASETS)],
    "gradients": [*on_each(vanishing, DATASETS), *on_each(jumps, DATASETS)],
}
