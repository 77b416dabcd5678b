"""The questions common to all three experiments of the sheet."""

import math

from dlexp.analysis.report.figures.probes import layer_label

from . import activations, loss, optimizers
from .activations import arm
from .compare import difference, gap, ratio, shown
from .evidence import Evidence, Finding, Sample, each
from .words import claim, name, published, say

STUCK = ("at chance", "slow", "underfit")


def speed(evidence: Evidence, dataset: str) -> str:
    """How many epochs Sigmoid and ReLU take."""
    cells = [arm(dataset, option) for option in ("sigmoid", "relu")]
    sigmoid, relu = (evidence.values(activations.STUDY, cell, "convergence_epoch") for cell in cells)
    found = difference(sigmoid, relu)
    facts = {"sigmoid": shown(sigmoid), "relu": shown(relu), "gap": gap(found)}
    told = say("speed", found.side, dataset=name(dataset), **facts)
    if dataset not in published("convergence_activation"):
        return told
    verdict = evidence.verdict(activations.STUDY, [dataset], f"Sigmoid needs more epochs than ReLU to converge on {dataset}")
    return f"{told} {claim(verdict.verdict, 'sigmoid_slower', **published('convergence_activation', dataset))}"


def oscillation(evidence: Evidence) -> str:
    """How the learning rate changes the scatter of the last losses where it does not decay."""
    dataset, high, low = optimizers.DATASETS[0], optimizers.HIGH, optimizers.LOW
    cells = [optimizers.arm(dataset, "momentum", lr, "constant") for lr in (high, low)]
    wild, calm = (evidence.values(optimizers.STUDY, cell, "stability") for cell in cells)
    found = ratio(wild, calm)
    facts = {"high": f"{high:g}", "low": f"{low:g}", "wild": shown(wild), "calm": shown(calm), "gap": gap(found)}
    return say("oscillation", found.side, dataset=name(dataset), **facts)


def stagnation(evidence: Evidence) -> str:
    """How many runs of the optimizer study are at chance, slow or underfit at the end, and which."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    stuck = runs[runs["diagnosis"].isin(STUCK)]
    arms = dict.fromkeys(
        f"{name(row['optimizer'])} at {row['optimizer.lr']:g}, {name(row['scheduler'])}" for row in stuck.to_dict("records")
    )
    facts = {"stuck": len(stuck), "runs": len(runs), "arms": "; ".join(arms), "words": " or ".join(STUCK)}
    return say("stagnation", "some" if len(stuck) else "none", dataset=name(dataset), **facts)


def loss_without_accuracy(evidence: Evidence, dataset: str) -> str:
    """What the second half of training does to losses and accuracies."""
    cell = {**loss.CE, "dataset": dataset}
    last = evidence.last_epoch(loss.STUDY, cell)
    middle = last // 2

    def at(column: str, epoch: int) -> Sample:
        return evidence.curve(loss.STUDY, cell, column, lambda curve: float(curve.get(epoch, math.nan)))

    falls, judged = (ratio(at(column, last), at(column, middle)) for column in ("train/loss", "val/loss"))
    answers, seen = (difference(at(column, last), at(column, middle)) for column in ("val/acc", "train/acc"))
    facts = {"middle": middle, "end": last, "falls": gap(falls), "answers": gap(answers, rate=True)}
    facts |= {"held_out": gap(judged), "seen": gap(seen, rate=True), "known": shown(at("train/acc", middle), rate=True)}
    told = say("training_loss", falls.side, dataset=name(dataset), **facts)
    told += say("while_answers", answers.side, **facts)
    return f"{told} {say('seen_answers', seen.side, **facts)}{say('held_out_loss', judged.side, **facts)}"


def distribution(evidence: Evidence, dataset: str) -> str:
    """The standard deviation of each layer's outputs, at first and at the end."""
    told, sides = [], {}
    for option in ("relu", "leaky_relu", "sigmoid"):
        first, last = (
            evidence.layers(activations.STUDY, arm(dataset, option), "activation_stats/sd", moment)
            for moment in ("first", "last")
        )
        layers = [f"{layer_label(layer)} {shown(first[layer])} to {shown(last[layer])}" for layer in first]
        changes = [ratio(last[layer], first[layer]).side for layer in first]
        sides[option] = changes
        told.append(f"{name(option)} {', '.join(layers)}")
    flat = {side for changes in sides.values() for side in changes}
    outcome = flat.pop() if len(flat) == 1 else "unknown"
    return say("distribution", outcome, dataset=name(dataset), layers="; ".join(told))


def saturation(evidence: Evidence, dataset: str) -> str:
    """The share of Sigmoid's outputs that lie where it is flat."""
    cell = arm(dataset, "sigmoid")
    first, last = (evidence.layers(activations.STUDY, cell, "activation_stats/saturation", at) for at in ("first", "last"))
    grown = {difference(last[layer], first[layer]).side for layer in last}
    told = ", ".join(
        f"{layer_label(layer)} {shown(first[layer], rate=True)} to {shown(last[layer], rate=True)}" for layer in last
    )
    return say("saturation", "greater" if "greater" in grown else "unknown", dataset=name(dataset), shares=told)


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
    facts = {"relu": shown(found["relu"]), "sigmoid": shown(found["sigmoid"]), "gap": gap(against)}
    facts |= {"near": layer_label(ends[0]), "far": layer_label(ends[1])}
    return say("toward_the_input", against.side, dataset=name(dataset), **facts)


def exploding(evidence: Evidence) -> str:
    """How many runs of the optimizer study diverged, and their largest gradient norm."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    norms = {
        (one, lr): max(evidence.curve(optimizers.STUDY, optimizers.arm(dataset, one, lr), "train/grad_norm", max).values())
        for one in optimizers.OPTIMIZERS
        for lr in optimizers.LRS
    }
    (one, lr), most = max(norms.items(), key=lambda item: item[1])
    diverged = int(runs["status"].eq("diverged").sum())
    facts = {"diverged": diverged, "runs": len(runs), "most": f"{most:.3g}", "optimizer": name(one), "lr": f"{lr:g}"}
    return say("exploding", "some" if diverged else "none", dataset=name(dataset), **facts)


def same_start(evidence: Evidence) -> str:
    """Whether the optimizers begin with the same weights at each seed."""
    dataset = optimizers.DATASETS[0]
    runs = evidence.runs(optimizers.STUDY, {"dataset": dataset})
    starts = runs.groupby("seed")["init_hash"].nunique()
    same = bool((starts == 1).all()) and runs["init_hash"].notna().all()
    return say("same_start", "same" if same else "different", seeds=len(starts), dataset=name(dataset))


def same_step(evidence: Evidence) -> str:
    """Momentum at one rate against SGD at ten times as much: how much of the difference is the length of the steps."""
    dataset = optimizers.DATASETS[0]
    pairs = [(optimizers.MIDDLE, optimizers.HIGH), (optimizers.LOW, optimizers.MIDDLE)]
    told, same, other = [], [], []
    for low, high in pairs:
        cells = (
            optimizers.arm(dataset, "momentum", low),
            optimizers.arm(dataset, "sgd", high),
            optimizers.arm(dataset, "sgd", low),
        )
        momentum, longer, equal = (evidence.values(optimizers.STUDY, cell, "test/acc") for cell in cells)
        same.append(difference(momentum, equal))
        other.append(difference(momentum, longer))
        facts = {"low": f"{low:g}", "high": f"{high:g}"}
        told.append(say("same_step_pair", equal=gap(same[-1], rate=True), longer=gap(other[-1], rate=True), **facts))
    outcome = "explains" if all(abs(b.estimate) < abs(a.estimate) for a, b in zip(same, other, strict=True)) else "unknown"
    factor = f"{optimizers.HIGH / optimizers.MIDDLE:g}"
    return say("same_step", outcome, dataset=name(dataset), factor=factor, pairs="; ".join(told))


FINDINGS: dict[str, list[Finding]] = {
    "learning_curve": [*each(speed, activations.DATASETS), oscillation, stagnation],
    "loss_without_accuracy": each(loss_without_accuracy, loss.DATASETS),
    "distribution": [*each(distribution, ("moons",)), *each(saturation, activations.DATASETS)],
    "layers": [*each(toward_the_input, activations.DATASETS), exploding],
    "optimizers_differ": [same_start, same_step],
}
