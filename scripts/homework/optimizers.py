"""Part C of the sheet: SGD, momentum and Adam at three learning rates, with and without decay (study `optimizer_lr`)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.report.figures.probes import layer_label
from dlexp.analysis.report.labels import show

from .compare import Comparison, Draft, Finding, common_side, difference, distance, on_each, ratio, side_of, supports
from .evidence import Cell, Evidence, Sample
from .numbers import format_gap, format_percent, format_points, format_rate, format_sample
from .words import display_name, document_value, judge_claim, say

STUDY = "optimizer_lr"
DATASETS = ("digits",)
OPTIMIZERS = ("sgd", "momentum", "adam")
LRS = (0.1, 0.01, 0.001)
HIGH, MIDDLE, LOW = LRS


def arm(dataset: str, optimizer: str, lr: float, scheduler: str = "exponential") -> Cell:
    """One arm of the study."""
    return {"dataset": dataset, "scheduler": scheduler, "optimizer": optimizer, "optimizer.lr": lr}


def pick_rates(evidence: Evidence, dataset: str) -> dict[str, float]:
    """The learning rate of each optimizer with the best mean validation accuracy; the test set decides nothing here.

    A run without a validation accuracy because it diverged counts as 0. Empty where no part of the data was held out.
    """
    picked = {}
    for optimizer in OPTIMIZERS:
        held_out = {lr: evidence.runs(STUDY, arm(dataset, optimizer, lr)) for lr in LRS}
        if not all("val/acc" in runs and runs["val/acc"].notna().any() for runs in held_out.values()):
            return {}
        means = {lr: float(runs["val/acc"].astype(float).fillna(0).mean()) for lr, runs in held_out.items()}
        picked[optimizer] = max(means, key=lambda lr: means[lr])
    return picked


def best_rates(evidence: Evidence, dataset: str) -> Draft:
    """Each optimizer at the learning rate that the validation split picks, and the differences that remain.

    The test set then judges the picked rates. Where nothing was held out, nothing can be picked, and all rates are shown.
    """
    arms = {name: {lr: evidence.values(STUDY, arm(dataset, name, lr), "test/acc") for lr in LRS} for name in OPTIMIZERS}
    others, picked = ("sgd", "momentum"), pick_rates(evidence, dataset)
    low = [difference(arms["adam"][LOW], arms[name][LOW]) for name in others]
    shown = {name: {picked[name]: arms[name][picked[name]]} if picked else arms[name] for name in OPTIMIZERS}
    listed = "; ".join(
        f"{display_name(name)} " + ", ".join(f"{format_rate(sample)} at {show(lr)}" for lr, sample in at.items())
        for name, at in shown.items()
    )
    if not picked:
        return Draft(low, lambda *found: _describe_rates("unpicked", dataset, listed, found))
    best = {name: arms[name][picked[name]] for name in OPTIMIZERS}
    remaining = [difference(best["adam"], best[name]) for name in others]
    halves = [
        difference(distance(arms["adam"][LOW], arms[name][LOW], scale=0.5), distance(best["adam"], best[name]))
        for name in others
    ]

    def write(*found: Verdict) -> str:
        outcome = {"greater": "rate", "less": "more", "unknown": "unknown"}[common_side(found[4:])]
        return _describe_rates(outcome, dataset, listed, found)

    return Draft([*low, *remaining, *halves], write)


def _describe_rates(outcome: str, dataset: str, listed: str, found: Sequence[Verdict]) -> str:
    names = ("low_sgd", "low_momentum", "best_sgd", "best_momentum", "half_sgd", "half_momentum")
    values = {name: format_points(verdict) for name, verdict in zip(names, found, strict=False)}
    return say("best_rates", outcome, dataset=dataset, low=show(LOW), best=listed, **values)


def adam_is_best(evidence: Evidence, dataset: str) -> Draft:
    """The document's ranking in its own table and in our runs: Adam at the low rate against momentum at the high rate."""
    cells = arm(dataset, "adam", LOW), arm(dataset, "momentum", HIGH)
    adam, momentum = (evidence.values(STUDY, cell, "test/acc") for cell in cells)
    reported = {
        key: format_percent(evidence.published(STUDY, cell)) for key, cell in zip(("adam", "momentum"), cells, strict=True)
    }

    def write(found: Verdict) -> str:
        values = {"low": show(LOW), "high": show(HIGH), "gap": format_points(found)}
        return judge_claim(supports(found, "greater"), "adam_best", dataset=dataset, **reported, **values)

    return Draft([difference(adam, momentum)], write)


def stability(evidence: Evidence, dataset: str) -> Draft:
    """The scatter of the last losses at the high rate against the low rate, and the claim that Adam is unstable there."""
    arms = [(optimizer, scheduler) for scheduler in ("exponential", "constant") for optimizer in OPTIMIZERS]
    comparisons = []
    for optimizer, scheduler in arms:
        cells = [arm(dataset, optimizer, lr, scheduler) for lr in (HIGH, LOW)]
        comparisons.append(ratio(*(evidence.values(STUDY, cell, "stability") for cell in cells)))
    cell = arm(dataset, "adam", HIGH)
    measured, reported = evidence.values(STUDY, cell, "test/acc"), evidence.published(STUDY, cell)

    def write(*found: Verdict) -> str:
        parts = _name_parts([f"{display_name(optimizer)} {display_name(decay)}" for optimizer, decay in arms], found)
        values = {"high": show(HIGH), "low": show(LOW)}
        sentence = say("stability", common_side(found), dataset=dataset, ratios=parts, **values)
        adam = found[arms.index(("adam", "exponential"))]
        values |= {"measured": format_rate(measured), "reported": format_percent(reported)}
        return f"{sentence} {judge_claim(supports(adam, 'greater'), 'adam_unstable', **values)}"

    return Draft(comparisons, write)


def _name_parts(names: Sequence[str], found: Sequence[Verdict], *, rate: bool = False) -> str:
    return "; ".join(f"{name} {format_gap(verdict, rate=rate)}" for name, verdict in zip(names, found, strict=True))


def adams_start(evidence: Evidence, dataset: str) -> Draft:
    """Validation accuracy after one epoch at the low rate, and of SGD at a rate a hundred times as high."""

    def after_one(optimizer: str, lr: float) -> Sample:
        return evidence.curve(STUDY, arm(dataset, optimizer, lr), "val/acc", lambda curve: curve.iloc[0])

    low, faster = {optimizer: after_one(optimizer, LOW) for optimizer in OPTIMIZERS}, after_one("sgd", HIGH)
    starts = ", ".join(f"{display_name(optimizer)} {format_rate(sample)}" for optimizer, sample in low.items())

    def write(ahead: Verdict, caught_up: Verdict) -> str:
        values = {"low": show(LOW), "starts": starts, "gap": format_points(ahead)}
        sentence = say("adams_start", side_of(ahead), dataset=dataset, **values)
        values = {"high": show(HIGH), "sgd": format_rate(faster), "gap": format_points(caught_up)}
        return f"{sentence} {say('adams_start_why', side_of(caught_up), **values)}"

    return Draft([difference(low["adam"], low["sgd"]), difference(low["adam"], faster)], write)


def epochs_to_converge(evidence: Evidence, dataset: str) -> Draft:
    """Epochs to converge at the low rate, and the published ones."""
    measured, reported = [], document_value("convergence_optimizer", dataset)
    for optimizer in OPTIMIZERS:
        sample = evidence.values(STUDY, arm(dataset, optimizer, LOW), "convergence_epoch")
        published = say("published_epochs", epochs=reported[optimizer][show(LOW)])
        measured.append(f"{display_name(optimizer)} {format_sample(sample)} ({published})")
    return Draft([], lambda: say("epochs_to_converge", low=show(LOW), epochs="; ".join(measured)))


def decay(evidence: Evidence, dataset: str, lr: float) -> Draft:
    """The effect of the decay on accuracy and on the scatter of the last losses, for each optimizer."""
    accuracy: list[Comparison] = []
    scatter: list[Comparison] = []
    for optimizer in OPTIMIZERS:
        cells = [arm(dataset, optimizer, lr, kind) for kind in ("exponential", "constant")]
        accuracy.append(difference(*(evidence.values(STUDY, cell, "test/acc") for cell in cells)))
        scatter.append(ratio(*(evidence.values(STUDY, cell, "stability") for cell in cells)))

    def write(*found: Verdict) -> str:
        names, half = [display_name(optimizer) for optimizer in OPTIMIZERS], len(OPTIMIZERS)
        parts = [
            say("decay_accuracy", common_side(found[:half]), gaps=_name_parts(names, found[:half], rate=True)),
            say("decay_scatter", common_side(found[half:]), gaps=_name_parts(names, found[half:])),
        ]
        return f"{say('decay', dataset=dataset, lr=show(lr))} {' '.join(parts)}"

    return Draft([*accuracy, *scatter], write)


def vanishing(evidence: Evidence, dataset: str) -> Draft:
    """The first layer's gradient at the end relative to the start, by optimizer, at the high and the low rate."""
    arms, layer = [(optimizer, lr) for lr in (HIGH, LOW) for optimizer in OPTIMIZERS], ""
    comparisons = []
    for optimizer, lr in arms:
        moments = ("first", "last")
        first, last = (evidence.layers(STUDY, arm(dataset, optimizer, lr), "grad_flow/mean_abs", at) for at in moments)
        layer = list(first)[0]
        comparisons.append(ratio(last[layer], first[layer]))

    def write(*found: Verdict) -> str:
        parts = _name_parts([f"{display_name(optimizer)} at {show(lr)}" for optimizer, lr in arms], found)
        return say("gradient_left", common_side(found), dataset=dataset, layer=layer_label(layer), ratios=parts)

    return Draft(comparisons, write)


def jumps(evidence: Evidence, dataset: str) -> Draft:
    """The largest jump of the gradient norm from one epoch to the next, and how many norms are not finite."""

    def largest(curve: pd.Series) -> float:
        return float(np.nanmax((curve / curve.shift()).to_numpy(float)))

    jump = {
        optimizer: evidence.curve(STUDY, arm(dataset, optimizer, HIGH), "train/grad_norm", largest) for optimizer in OPTIMIZERS
    }
    curves = evidence.result(STUDY, dataset, "curves").curves
    norms = curves.loc[(curves["dataset"] == dataset) & (curves["epoch"] > 0), "train/grad_norm"].astype(float)
    bad = int((~np.isfinite(norms)).sum())
    factors = ", ".join(f"{display_name(optimizer)} {format_sample(sample)}" for optimizer, sample in jump.items())
    reported = document_value("gradient_norm_not_finite")

    def write(found: Verdict) -> str:
        counts = {"reported": reported["norms"], "of": reported["of"], "bad": bad, "norms": len(norms)}
        values = {"jumps": factors, "gap": format_gap(found), "high": show(HIGH)}
        words = say("norms", "some" if bad else "none", **counts)
        return f"{say('jumps', side_of(found), dataset=dataset, **values)} {words}"

    return Draft([ratio(jump["adam"], jump["sgd"])], write)


FINDINGS: dict[str, list[Finding]] = {
    "curves_differ": [*on_each(best_rates, DATASETS, 6), *on_each(adam_is_best, DATASETS, 1)],
    "rate_and_stability": on_each(stability, DATASETS, 6),
    "adam_starts_fast": [*on_each(adams_start, DATASETS, 2), *on_each(epochs_to_converge, DATASETS)],
    "decay": [*on_each(decay, DATASETS, 6, lr=HIGH), *on_each(decay, DATASETS, 6, lr=LOW)],
    "gradients": [*on_each(vanishing, DATASETS, 6), *on_each(jumps, DATASETS, 1)],
}
