"""Part C of the sheet: SGD, momentum and Adam at three learning rates, with and without decay (study `optimizer_lr`)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dlexp.analysis.judge.statistics import summarise
from dlexp.analysis.report.figures.probes import layer_label
from dlexp.analysis.report.labels import show

from .compare import difference, gap, percent, ratio, shown, stands
from .evidence import Cell, Evidence, Finding, Sample, each
from .words import claim, name, published, say

STUDY = "optimizer_lr"
DATASETS = ("digits",)
OPTIMIZERS = ("sgd", "momentum", "adam")
LRS = (0.1, 0.01, 0.001)
HIGH, MIDDLE, LOW = LRS


def arm(dataset: str, optimizer: str, lr: float, scheduler: str = "exponential") -> Cell:
    """One arm of the study."""
    return {"dataset": dataset, "scheduler": scheduler, "optimizer": optimizer, "optimizer.lr": lr}


def list_of(parts: Sequence[str]) -> str:
    """`a, b, c`."""
    return ", ".join(parts)


def best_rates(evidence: Evidence, dataset: str) -> str:
    """Each optimizer at the learning rate that suits it best, and what that leaves of the differences."""
    best: dict[str, tuple[float, Sample]] = {}
    for optimizer in OPTIMIZERS:
        arms = {lr: evidence.values(STUDY, arm(dataset, optimizer, lr), "test/acc") for lr in LRS}
        lr = max(arms, key=lambda lr: summarise(list(arms[lr].values())).mean)
        best[optimizer] = lr, arms[lr]
    told = list_of([f"{name(one)} {shown(sample, rate=True)} at {show(lr)}" for one, (lr, sample) in best.items()])
    apart = {one: difference(best["adam"][1], best[one][1]) for one in ("sgd", "momentum")}
    at_low = {
        one: difference(
            evidence.values(STUDY, arm(dataset, "adam", LOW), "test/acc"),
            evidence.values(STUDY, arm(dataset, one, LOW), "test/acc"),
        )
        for one in apart
    }
    mostly = all(abs(apart[one].estimate) < abs(at_low[one].estimate) / 2 for one in apart)
    facts = {f"low_{one}": gap(found, rate=True) for one, found in at_low.items()}
    facts |= {f"best_{one}": gap(found, rate=True) for one, found in apart.items()}
    return say("best_rates", "rate" if mostly else "more", dataset=name(dataset), low=show(LOW), best=told, **facts)


def adam_is_best(evidence: Evidence, dataset: str) -> str:
    """The document's ranking on its own table, and ours: Adam at the low rate against momentum at the high one."""
    cells = arm(dataset, "adam", LOW), arm(dataset, "momentum", HIGH)
    adam, momentum = (evidence.values(STUDY, cell, "test/acc") for cell in cells)
    found = difference(adam, momentum)
    theirs = {key: percent(evidence.published(STUDY, cell)) for key, cell in zip(("adam", "momentum"), cells, strict=True)}
    facts = {"low": show(LOW), "high": show(HIGH), "gap": gap(found, rate=True)}
    return claim(stands(found, "greater"), "adam_best", dataset=name(dataset), **theirs, **facts)


def stability(evidence: Evidence, dataset: str) -> str:
    """The scatter of the last losses at the high learning rate against the low one, with decay and without."""
    told, sides = [], set()
    for scheduler in ("exponential", "constant"):
        for optimizer in OPTIMIZERS:
            samples = [evidence.values(STUDY, arm(dataset, optimizer, lr, scheduler), "stability") for lr in (HIGH, LOW)]
            found = ratio(*samples)
            sides.add(found.side)
            told.append(f"{name(optimizer)} {gap(found)}" + f", {name(scheduler)}" * (optimizer == OPTIMIZERS[-1]))
    outcome = sides.pop() if len(sides) == 1 else "unknown"
    return say("stability", outcome, dataset=name(dataset), high=show(HIGH), low=show(LOW), ratios="; ".join(told))


def stability_claim(evidence: Evidence, dataset: str) -> str:
    """The claim that Adam's last losses are unstable at the high rate; how it ends there instead."""
    verdict = evidence.verdict(
        STUDY, [dataset], f"On {dataset}, Adam's last losses are less stable at learning rate {HIGH} than at {LOW}"
    )
    both = [{"dataset": dataset, "optimizer": "adam", "optimizer.lr": lr} for lr in (HIGH, LOW)]  # with decay and without
    scatter = gap(difference(*(evidence.values(STUDY, cell, "stability") for cell in both)))
    cell = arm(dataset, "adam", HIGH)
    ours, theirs = shown(evidence.values(STUDY, cell, "test/acc"), rate=True), percent(evidence.published(STUDY, cell))
    facts = {"high": show(HIGH), "low": show(LOW), "ours": ours, "theirs": theirs}
    return claim(verdict.verdict, "adam_unstable", scatter=scatter, **facts)


def adams_start(evidence: Evidence, dataset: str) -> str:
    """Validation accuracy after one epoch at the low rate, and of SGD at a rate a hundred times as high."""
    low = {one: evidence.curve(STUDY, arm(dataset, one, LOW), "val/acc", lambda c: c.iloc[0]) for one in OPTIMIZERS}
    faster = evidence.curve(STUDY, arm(dataset, "sgd", HIGH), "val/acc", lambda c: c.iloc[0])
    found, caught_up = difference(low["adam"], low["sgd"]), difference(low["adam"], faster)
    starts = list_of([f"{name(one)} {shown(sample, rate=True)}" for one, sample in low.items()])
    told = say("adams_start", found.side, dataset=name(dataset), low=show(LOW), starts=starts, gap=gap(found, rate=True))
    facts = {"high": show(HIGH), "sgd": shown(faster, rate=True), "gap": gap(caught_up, rate=True)}
    return f"{told} {say('adams_start_why', caught_up.side, **facts)}"


def epochs_to_converge(evidence: Evidence, dataset: str) -> str:
    """Epochs to converge at the low rate, beside the published ones."""
    ours, theirs = [], published("convergence_optimizer", dataset)
    for one in OPTIMIZERS:
        cell = arm(dataset, one, LOW)
        sample, runs = evidence.values(STUDY, cell, "convergence_epoch"), len(evidence.runs(STUDY, cell))
        ours.append(f"{name(one)} {shown(sample)} ({len(sample)} of {runs} runs; published {theirs[one][show(LOW)]})")
    return say("epochs_to_converge", low=show(LOW), epochs="; ".join(ours))


def decay(evidence: Evidence, dataset: str) -> str:
    """What the decay does to accuracy and to the scatter of the last losses, at the high and the low rate."""
    told, sides = [], {}
    for lr in (HIGH, LOW):
        cells = [{"dataset": dataset, "scheduler": one, "optimizer.lr": lr} for one in ("exponential", "constant")]
        accuracy = difference(*(evidence.values(STUDY, cell, "test/acc") for cell in cells))
        scatter = ratio(*(evidence.values(STUDY, cell, "stability") for cell in cells))
        sides[lr] = accuracy.side, scatter.side
        facts = {"lr": show(lr), "accuracy": gap(accuracy, rate=True), "scatter": gap(scatter)}
        told.append(say("decay_accuracy", accuracy.side, **facts) + " " + say("decay_scatter", scatter.side, **facts))
    return f"{say('decay', dataset=name(dataset))} {'; '.join(told)}."


def decay_price(evidence: Evidence, dataset: str) -> str:
    """Which optimizer pays for the decay at the low rate."""
    told = []
    for one in OPTIMIZERS:
        samples = (evidence.values(STUDY, arm(dataset, one, LOW, kind), "test/acc") for kind in ("exponential", "constant"))
        told.append(f"{name(one)} {gap(difference(*samples), rate=True)}")
    return say("decay_price", low=show(LOW), gaps="; ".join(told))


def vanishing(evidence: Evidence, dataset: str) -> str:
    """What is left at the end of the first layer's gradient, by optimizer, at the high and the low rate."""
    told, sides, layer = [], set(), ""
    for lr in (HIGH, LOW):
        for one in OPTIMIZERS:
            cell = arm(dataset, one, lr)
            first, last = (evidence.layers(STUDY, cell, "grad_flow/mean_abs", at) for at in ("first", "last"))
            layer = list(first)[0]
            found = ratio(last[layer], first[layer])
            sides.add(found.side)
            told.append(f"{name(one)} {gap(found)}" + f" at {show(lr)}" * (one == OPTIMIZERS[-1]))
    outcome = sides.pop() if len(sides) == 1 else "unknown"
    return say("gradient_left", outcome, dataset=name(dataset), layer=layer_label(layer), ratios="; ".join(told))


def jumps(evidence: Evidence, dataset: str) -> str:
    """The largest jump of the gradient norm from one epoch to the next, and how many norms are not finite."""

    def largest(curve: pd.Series) -> float:
        return float(np.nanmax((curve / curve.shift()).to_numpy(float)))

    jump = {one: evidence.curve(STUDY, arm(dataset, one, HIGH), "train/grad_norm", largest) for one in OPTIMIZERS}
    curves = evidence.result(STUDY, dataset, "curves").curves
    norms = curves.loc[(curves["dataset"] == dataset) & (curves["epoch"] > 0), "train/grad_norm"].astype(float)
    bad = int((~np.isfinite(norms)).sum())
    found = ratio(jump["adam"], jump["sgd"])
    told = list_of([f"{name(one)} {shown(sample)}" for one, sample in jump.items()])
    theirs = published("gradient_norm_not_finite")
    words = say("norms", "some" if bad else "none", theirs=theirs["norms"], of=theirs["of"], bad=bad, norms=len(norms))
    return f"{say('jumps', found.side, dataset=name(dataset), jumps=told, gap=gap(found), high=show(HIGH))} {words}"


FINDINGS: dict[str, list[Finding]] = {
    "curves_differ": [*each(best_rates, DATASETS), *each(adam_is_best, DATASETS)],
    "rate_and_stability": [*each(stability, DATASETS), *each(stability_claim, DATASETS)],
    "adam_starts_fast": [*each(adams_start, DATASETS), *each(epochs_to_converge, DATASETS)],
    "decay": [*each(decay, DATASETS), *each(decay_price, DATASETS)],
    "gradients": [*each(vanishing, DATASETS), *each(jumps, DATASETS)],
}
