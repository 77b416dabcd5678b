"""The questions common to all three experiments of the sheet."""

import math
from collections.abc import Sequence

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.report.figures.probes import layer_label

from . import activations, loss, optimizers
from .activations import arm
from .compare import Draft, Finding, common_side, difference, distance, on_each, quotient, ratio, side_of, supports
from .evidence import Evidence, Sample
from .numbers import format_gap, format_points, format_rate, format_sample
from .words import display_name, document_value, judge_claim, say

STUCK = ("at chance", "slow", "underfit")


def speed(evidence: Evidence, dataset: str) -> Draft:
    """The epochs that Sigmoid and ReLU need to converge."""
    cells = [arm(dataset, option) for option in ("sigmoid", "relu")]
    sigmoid, relu = (evidence.values(activations.STUDY, cell, "convergence_epoch") for cell in cells)

    def write(found: Verdict) -> str:
        values = {"sigmoid": format_sample(sigmoid), "relu": format_sample(relu), "gap": format_gap(found)}
        sentence = say("speed", side_of(found), dataset=dataset, **values)
        if dataset not in document_value("convergence_activation"):
            return sentence
        published = document_value("convergence_activation", dataset)
        return f"{sentence} {judge_claim(supports(found, 'greater'), 'sigmoid_slower', **published)}"

    return Draft([difference(sigmoid, relu)], write)


def oscillation(evidence: Evidence) -> Draft:
    """The effect of the learning rate on the scatter of the last losses, without decay."""
    dataset, high, low = optimizers.DATASETS[0], optimizers.HIGH, optimizers.LOW
    cells = [optimizers.arm(dataset, "momentum", lr, "constant") for lr in (high, low)]
    wild, calm = (evidence.values(optimizers.STUDY, cell, "stability") for cell in cells)
    values = {"high": f"{high:g}", "low": f"{low:g}", "wild": format_sample(wild), "calm": format_sample(calm)}

    def write(found: Verdict) -> str:
        return say("oscillation", side_of(found), dataset=dataset, gap=format_gap(found), **values)

    return Draft([ratio(wild, calm)], write)


def stagnation(evidence: Evidence) -> Draft:
    """How many runs of the optimizer study are at chance, slow or underfit at the end, and which."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    stuck = runs[runs["diagnosis"].isin(STUCK)]
    arms = dict.fromkeys(
        f"{display_name(row['optimizer'])} at {row['optimizer.lr']:g}, {display_name(row['scheduler'])}"
        for row in stuck.to_dict("records")
    )
    values = {"stuck": len(stuck), "runs": len(runs), "arms": "; ".join(arms), "words": " or ".join(STUCK)}
    return Draft([], lambda: say("stagnation", "some" if len(stuck) else "none", dataset=dataset, **values))


def loss_without_accuracy(evidence: Evidence, dataset: str) -> Draft:
    """The changes of losses and accuracies in the second half of training."""
    cell = {**loss.CE, "dataset": dataset}
    last = evidence.last_epoch(loss.STUDY, cell)
    middle = last // 2

    def at(column: str, epoch: int) -> Sample:
        return evidence.curve(loss.STUDY, cell, column, lambda curve: float(curve.get(epoch, math.nan)))

    losses = [ratio(at(column, last), at(column, middle)) for column in ("train/loss", "val/loss")]
    known = at("train/acc", middle)
    accuracies = [difference(at("val/acc", last), at("val/acc", middle)), difference(at("train/acc", last), known)]

    def write(falls: Verdict, judged: Verdict, answers: Verdict, seen: Verdict) -> str:
        values = {"middle": middle, "end": last, "falls": format_gap(falls), "answers": format_points(answers)}
        values |= {"held_out": format_gap(judged), "seen": format_points(seen), "known": format_rate(known)}
        sentence = say("training_loss", side_of(falls), dataset=dataset, **values)
        sentence += say("while_answers", side_of(answers), **values)
        return f"{sentence} {say('seen_answers', side_of(seen), **values)}{say('held_out_loss', side_of(judged), **values)}"

    return Draft([*losses, *accuracies], write)


def distribution(evidence: Evidence, dataset: str) -> Draft:
    """The standard deviation of each layer's outputs, before training and at the end."""
    names, grown = [], []
    for option in ("relu", "leaky_relu", "sigmoid"):
        first, last = (
            evidence.layers(activations.STUDY, arm(dataset, option), "activation_stats/sd", moment)
            for moment in ("first", "last")
        )
        for layer in first:
            change = f"{format_sample(first[layer])} to {format_sample(last[layer])}"
            names.append(f"{display_name(option)} {layer_label(layer)} {change}")
            grown.append(ratio(last[layer], first[layer]))

    def write(*found: Verdict) -> str:
        parts = [f"{name}: {format_gap(verdict)}" for name, verdict in zip(names, found, strict=True)]
        return say("distribution", common_side(found), dataset=dataset, layers="; ".join(parts))

    return Draft(grown, write)


def saturation(evidence: Evidence, dataset: str) -> Draft:
    """The share of Sigmoid's outputs in the flat part of the function."""
    cell = arm(dataset, "sigmoid")
    first, last = (evidence.layers(activations.STUDY, cell, "activation_stats/saturation", at) for at in ("first", "last"))

    def write(*found: Verdict) -> str:
        parts = [
            f"{layer_label(layer)} {format_rate(first[layer])} to {format_rate(last[layer])}: {format_points(verdict)}"
            for layer, verdict in zip(last, found, strict=True)
        ]
        return say("saturation", common_side(found), dataset=dataset, shares="; ".join(parts))

    return Draft([difference(last[layer], first[layer]) for layer in last], write)


def toward_the_input(evidence: Evidence, dataset: str) -> Draft:
    """The first layer's gradient against the last's in the untrained net, with ReLU and with Sigmoid."""
    found: dict[str, Sample] = {}
    ends = ("", "")
    for option in ("relu", "sigmoid"):
        layers = evidence.layers(activations.STUDY, arm(dataset, option), "grad_flow/mean_abs", "first")
        ends = list(layers)[0], list(layers)[-1]
        found[option] = quotient(layers[ends[0]], layers[ends[1]])
    values = {option: format_sample(sample) for option, sample in found.items()}
    values |= {"near": layer_label(ends[0]), "far": layer_label(ends[1])}

    def write(against: Verdict) -> str:
        return say("toward_the_input", side_of(against), dataset=dataset, gap=format_gap(against), **values)

    return Draft([ratio(found["sigmoid"], found["relu"])], write)


def exploding(evidence: Evidence) -> Draft:
    """How many runs of the optimizer study diverged, and their largest gradient norm."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    norms = {
        (optimizer, lr): max(
            evidence.curve(optimizers.STUDY, optimizers.arm(dataset, optimizer, lr), "train/grad_norm", max).numbers.values()
        )
        for optimizer in optimizers.OPTIMIZERS
        for lr in optimizers.LRS
    }
    (optimizer, lr), most = max(norms.items(), key=lambda item: item[1])
    diverged = int(runs["status"].eq("diverged").sum())
    values = {"diverged": diverged, "runs": len(runs), "most": f"{most:.3g}"}
    values |= {"optimizer": display_name(optimizer), "lr": f"{lr:g}"}
    return Draft([], lambda: say("exploding", "some" if diverged else "none", dataset=dataset, **values))


def same_start(evidence: Evidence) -> Draft:
    """Whether the optimizers start from the same weights at each seed."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    starts = runs.groupby("seed")["init_hash"].nunique()
    same = bool((starts == 1).all()) and runs["init_hash"].notna().all()
    return Draft([], lambda: say("same_start", "same" if same else "different", seeds=len(starts), dataset=dataset))


def same_step(evidence: Evidence) -> Draft:
    """Momentum against SGD at its own rate and at ten times that rate: to which of the two it is nearer, at each seed."""
    dataset = optimizers.DATASETS[0]
    rates = [(optimizers.MIDDLE, optimizers.HIGH), (optimizers.LOW, optimizers.MIDDLE)]
    comparisons = []
    for low, high in rates:
        arms = [("momentum", low), ("sgd", low), ("sgd", high)]
        momentum, equal, longer = (
            evidence.values(optimizers.STUDY, optimizers.arm(dataset, *each), "test/acc") for each in arms
        )
        comparisons += [difference(momentum, equal), difference(momentum, longer)]
        comparisons += [difference(distance(momentum, equal), distance(momentum, longer))]

    def write(*found: Verdict) -> str:
        return _describe_steps(found, rates, dataset)

    return Draft(comparisons, write)


def _describe_steps(found: Sequence[Verdict], rates: Sequence[tuple[float, float]], dataset: str) -> str:
    parts, nearer = [], found[2::3]
    for (low, high), equal, longer, near in zip(rates, found[::3], found[1::3], nearer, strict=True):
        values = {"low": f"{low:g}", "high": f"{high:g}", "equal": format_points(equal), "longer": format_points(longer)}
        parts.append(say("same_step_pair", nearer=format_points(near), **values))
    factor = f"{optimizers.HIGH / optimizers.MIDDLE:g}"
    outcome = "explains" if common_side(nearer) == "greater" else "unknown"
    return say("same_step", outcome, dataset=dataset, factor=factor, pairs="; ".join(parts))


FINDINGS: dict[str, list[Finding]] = {
    "learning_curve": [*on_each(speed, activations.DATASETS, 1), Finding(oscillation, 1), Finding(stagnation)],
    "loss_without_accuracy": on_each(loss_without_accuracy, loss.DATASETS, 4),
    "distribution": [*on_each(distribution, ("moons",), 6), *on_each(saturation, activations.DATASETS, 2)],
    "layers": [*on_each(toward_the_input, activations.DATASETS, 1), Finding(exploding)],
    "optimizers_differ": [Finding(same_start), Finding(same_step, 6)],
}
