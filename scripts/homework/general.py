"""The questions common to all three experiments of the sheet."""

import math

from dlexp.analysis.report.figures.probes import layer_label

from . import activations, loss, optimizers
from .activations import arm
from .compare import difference, format_gap, format_points, format_rate, format_sample, ratio
from .evidence import Evidence, Finding, Sample, on_each
from .words import display_name, document_value, judge_claim, say

STUCK = ("at chance", "slow", "underfit")


def speed(evidence: Evidence, dataset: str) -> str:
    """The epochs that Sigmoid and ReLU need to converge."""
    cells = [arm(dataset, option) for option in ("sigmoid", "relu")]
    sigmoid, relu = (evidence.values(activations.STUDY, cell, "convergence_epoch") for cell in cells)
    found = difference(sigmoid, relu)
    values = {"sigmoid": format_sample(sigmoid), "relu": format_sample(relu), "gap": format_gap(found)}
    sentence = say("speed", found.side, dataset=dataset, **values)
    if dataset not in document_value("convergence_activation"):
        return sentence
    verdict = evidence.verdict(activations.STUDY, [dataset], f"Sigmoid needs more epochs than ReLU to converge on {dataset}")
    return f"{sentence} {judge_claim(verdict.verdict, 'sigmoid_slower', **document_value('convergence_activation', dataset))}"


def oscillation(evidence: Evidence) -> str:
    """The effect of the learning rate on the scatter of the last losses, without decay."""
    dataset, high, low = optimizers.DATASETS[0], optimizers.HIGH, optimizers.LOW
    cells = [optimizers.arm(dataset, "momentum", lr, "constant") for lr in (high, low)]
    wild, calm = (evidence.values(optimizers.STUDY, cell, "stability") for cell in cells)
    found = ratio(wild, calm)
    values = {
        "high": f"{high:g}",
        "low": f"{low:g}",
        "wild": format_sample(wild),
        "calm": format_sample(calm),
        "gap": format_gap(found),
    }
    return say("oscillation", found.side, dataset=dataset, **values)


def stagnation(evidence: Evidence) -> str:
    """How many runs of the optimizer study are at chance, slow or underfit at the end, and which."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    stuck = runs[runs["diagnosis"].isin(STUCK)]
    arms = dict.fromkeys(
        f"{display_name(row['optimizer'])} at {row['optimizer.lr']:g}, {display_name(row['scheduler'])}"
        for row in stuck.to_dict("records")
    )
    values = {"stuck": len(stuck), "runs": len(runs), "arms": "; ".join(arms), "words": " or ".join(STUCK)}
    return say("stagnation", "some" if len(stuck) else "none", dataset=dataset, **values)


def loss_without_accuracy(evidence: Evidence, dataset: str) -> str:
    """The changes of losses and accuracies in the second half of training."""
    cell = {**loss.CE, "dataset": dataset}
    last = evidence.last_epoch(loss.STUDY, cell)
    middle = last // 2

    def at(column: str, epoch: int) -> Sample:
        return evidence.curve(loss.STUDY, cell, column, lambda curve: float(curve.get(epoch, math.nan)))

    falls, judged = (ratio(at(column, last), at(column, middle)) for column in ("train/loss", "val/loss"))
    answers, seen = (difference(at(column, last), at(column, middle)) for column in ("val/acc", "train/acc"))
    values = {"middle": middle, "end": last, "falls": format_gap(falls), "answers": format_points(answers)}
    values |= {"held_out": format_gap(judged), "seen": format_points(seen), "known": format_rate(at("train/acc", middle))}
    sentence = say("training_loss", falls.side, dataset=dataset, **values)
    sentence += say("while_answers", answers.side, **values)
    return f"{sentence} {say('seen_answers', seen.side, **values)}{say('held_out_loss', judged.side, **values)}"


def distribution(evidence: Evidence, dataset: str) -> str:
    """The standard deviation of each layer's outputs, before training and at the end."""
    parts: list[str] = []
    sides: set[str] = set()
    for option in ("relu", "leaky_relu", "sigmoid"):
        first, last = (
            evidence.layers(activations.STUDY, arm(dataset, option), "activation_stats/sd", moment)
            for moment in ("first", "last")
        )
        layers = [f"{layer_label(layer)} {format_sample(first[layer])} to {format_sample(last[layer])}" for layer in first]
        sides |= {ratio(last[layer], first[layer]).side for layer in first}
        parts.append(f"{display_name(option)} {', '.join(layers)}")
    outcome = sides.pop() if len(sides) == 1 else "unknown"
    return say("distribution", outcome, dataset=dataset, layers="; ".join(parts))


def saturation(evidence: Evidence, dataset: str) -> str:
    """The share of Sigmoid's outputs in the flat part of the function."""
    cell = arm(dataset, "sigmoid")
    first, last = (evidence.layers(activations.STUDY, cell, "activation_stats/saturation", at) for at in ("first", "last"))
    grown = {difference(last[layer], first[layer]).side for layer in last}
    shares = ", ".join(f"{layer_label(layer)} {format_rate(first[layer])} to {format_rate(last[layer])}" for layer in last)
    return say("saturation", "greater" if "greater" in grown else "unknown", dataset=dataset, shares=shares)


def toward_the_input(evidence: Evidence, dataset: str) -> str:
    """The first layer's gradient against the last's in the untrained net, with ReLU and with Sigmoid."""
    found = {}
    ends = ("", "")
    for option in ("relu", "sigmoid"):
        layers = evidence.layers(activations.STUDY, arm(dataset, option), "grad_flow/mean_abs", "first")
        ends = list(layers)[0], list(layers)[-1]
        found[option] = {
            seed: value / layers[ends[1]][seed] for seed, value in layers[ends[0]].items() if layers[ends[1]].get(seed)
        }
    against = ratio(found["sigmoid"], found["relu"])
    values = {"relu": format_sample(found["relu"]), "sigmoid": format_sample(found["sigmoid"]), "gap": format_gap(against)}
    values |= {"near": layer_label(ends[0]), "far": layer_label(ends[1])}
    return say("toward_the_input", against.side, dataset=dataset, **values)


def exploding(evidence: Evidence) -> str:
    """How many runs of the optimizer study diverged, and their largest gradient norm."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    norms = {
        (optimizer, lr): max(
            evidence.curve(optimizers.STUDY, optimizers.arm(dataset, optimizer, lr), "train/grad_norm", max).values()
        )
        for optimizer in optimizers.OPTIMIZERS
        for lr in optimizers.LRS
    }
    (optimizer, lr), most = max(norms.items(), key=lambda item: item[1])
    diverged = int(runs["status"].eq("diverged").sum())
    values = {
        "diverged": diverged,
        "runs": len(runs),
        "most": f"{most:.3g}",
        "optimizer": display_name(optimizer),
        "lr": f"{lr:g}",
    }
    return say("exploding", "some" if diverged else "none", dataset=dataset, **values)


def same_start(evidence: Evidence) -> str:
    """Whether the optimizers start from the same weights at each seed."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    starts = runs.groupby("seed")["init_hash"].nunique()
    same = bool((starts == 1).all()) and runs["init_hash"].notna().all()
    return say("same_start", "same" if same else "different", seeds=len(starts), dataset=dataset)


def same_step(evidence: Evidence) -> str:
    """Momentum at one rate against SGD at ten times that rate: how much of the difference is due to the length of the steps."""
    dataset = optimizers.DATASETS[0]
    pairs = [(optimizers.MIDDLE, optimizers.HIGH), (optimizers.LOW, optimizers.MIDDLE)]
    parts, same, other = [], [], []
    for low, high in pairs:
        cells = (
            optimizers.arm(dataset, "momentum", low),
            optimizers.arm(dataset, "sgd", high),
            optimizers.arm(dataset, "sgd", low),
        )
        momentum, longer, equal = (evidence.values(optimizers.STUDY, cell, "test/acc") for cell in cells)
        same.append(difference(momentum, equal))
        other.append(difference(momentum, longer))
        values = {"low": f"{low:g}", "high": f"{high:g}"}
        parts.append(say("same_step_pair", equal=format_points(same[-1]), longer=format_points(other[-1]), **values))
    outcome = "explains" if all(abs(b.estimate) < abs(a.estimate) for a, b in zip(same, other, strict=True)) else "unknown"
    factor = f"{optimizers.HIGH / optimizers.MIDDLE:g}"
    return say("same_step", outcome, dataset=dataset, factor=factor, pairs="; ".join(parts))


FINDINGS: dict[str, list[Finding]] = {
    "learning_curve": [*on_each(speed, activations.DATASETS), oscillation, stagnation],
    "loss_without_accuracy": on_each(loss_without_accuracy, loss.DATASETS),
    "distribution": [*on_each(distribution, ("moons",)), *on_each(saturation, activations.DATASETS)],
    "layers": [*on_each(toward_the_input, activations.DATASETS), exploding],
    "optimizers_differ": [same_start, same_step],
}
