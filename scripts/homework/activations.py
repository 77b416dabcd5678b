"""Part B of the sheet: ReLU, LeakyReLU and Sigmoid on two-dimensional data (study `activation_2d`)."""

import math

from dlexp.analysis.report.figures.probes import layer_label

from .compare import average, correlation, difference, format_gap, format_percent, format_points, format_rate, judge_side, ratio
from .evidence import Cell, Evidence, Finding, Moment, NotRunError, Sample, on_each
from .words import document_value, judge_claim, say

STUDY = "activation_2d"
PUBLISHED = "activation_2d_published"
DATASETS = ("moons", "circles")


def arm(dataset: str, activation: str) -> Cell:
    """One arm of the study."""
    return {"dataset": dataset, "activation": activation}


def mean_share(evidence: Evidence, cell: Cell, what: str, moment: Moment, study: str = STUDY) -> Sample:
    """A share of units or entries, averaged over the layers."""
    return average(evidence.layers(study, cell, f"dead_units/{what}", moment).values())


def dead_and_accuracy(evidence: Evidence, dataset: str) -> str:
    """Whether runs with more dead ReLU units are less accurate."""
    cell = arm(dataset, "relu")
    dead, accuracy = mean_share(evidence, cell, "dead", "last"), evidence.values(STUDY, cell, "test/acc")
    found = correlation(dead, accuracy)
    if math.isnan(found.low):
        return say("no_correlation", dataset=dataset, dead=format_rate(dead), n=found.n)
    values = {"dead": format_rate(dead), "accuracy": format_rate(accuracy), "correlation": format_gap(found)}
    return say("dead_and_accuracy", found.side, dataset=dataset, **values)


def entries_and_units(evidence: Evidence, dataset: str) -> str:
    """The document's ratio, which counts entries, and ours of entries and of units, by the document's protocol."""
    cell, reported = arm(dataset, "relu"), document_value("entries_at_or_below_zero", dataset)
    entries = mean_share(evidence, cell, "nonpositive", "mean", PUBLISHED)
    dead = mean_share(evidence, cell, "dead", "mean", PUBLISHED)
    values = {"csv": format_percent(reported["relu"]), "sheet": format_percent(reported["relu_sheet"])}
    return say("what_was_counted", dataset=dataset, entries=format_rate(entries), dead=format_rate(dead), **values)


def leaky_helps(evidence: Evidence, dataset: str) -> str:
    """Dead units and accuracy of LeakyReLU against ReLU, and the claim that LeakyReLU relieves dead units."""
    leaky, relu = arm(dataset, "leaky_relu"), arm(dataset, "relu")
    dead = difference(*(mean_share(evidence, cell, "dead", "last") for cell in (leaky, relu)))
    entries = difference(*(mean_share(evidence, cell, "nonpositive", "mean") for cell in (leaky, relu)))
    better = evidence.verdict(STUDY, [dataset], f"LeakyReLU beats ReLU on {dataset}")
    accuracy = difference(*(evidence.values(STUDY, cell, "test/acc") for cell in (leaky, relu)))
    values = {"dead": format_points(dead), "accuracy": format_points(accuracy)}
    sentence = say("leaky_dead", dead.side, dataset=dataset, **values)
    sentence += " " + say("leaky_accuracy", better.verdict, accuracy=values["accuracy"])
    reported = document_value("entries_at_or_below_zero", dataset)
    numbers = {
        "relu": format_percent(reported["relu"]),
        "leaky": format_percent(reported["leaky_relu"]),
        "gap": format_points(entries),
    }
    return f"{sentence} {judge_claim(judge_side(entries, 'less'), 'leaky_relieves', **numbers)}"


def where_sigmoid_vanishes(evidence: Evidence, dataset: str) -> str:
    """The layer in which Sigmoid's gradient is smallest relative to ReLU's, before training and at the end."""
    values: dict[str, str] = {}
    sides = []
    for moment in ("first", "last"):
        sigmoid, relu = (
            evidence.layers(STUDY, arm(dataset, option), "grad_flow/mean_abs", moment) for option in ("sigmoid", "relu")
        )
        against = {layer: ratio(sigmoid[layer], relu[layer]) for layer in sigmoid}
        known = {layer: found for layer, found in against.items() if not math.isnan(found.estimate)}
        if not known:
            raise NotRunError(STUDY, dataset)
        least = min(known, key=lambda layer: known[layer].estimate)
        values |= {f"{moment}_layer": layer_label(least), f"{moment}_gap": format_gap(known[least])}
        sides.append(known[least].side)
    return say("sigmoid_vanishes", sides[0], dataset=dataset, **values) + " " + say("sigmoid_later", sides[1], **values)


def sigmoid_stuck(evidence: Evidence, dataset: str) -> str:
    """The claim that Sigmoid is stuck, with PyTorch's initial weights."""
    return _judge_stuck(evidence, STUDY, dataset)


def sigmoid_stuck_as_published(evidence: Evidence, dataset: str) -> str:
    """The same claim with the document's own protocol, which has small initial weights."""
    return _judge_stuck(evidence, PUBLISHED, dataset)


def _judge_stuck(evidence: Evidence, study: str, dataset: str) -> str:
    """Judge the claim: Sigmoid is stuck if most runs are at chance at the end."""
    cell = arm(dataset, "sigmoid")
    measured, runs = evidence.values(study, cell, "test/acc"), evidence.runs(study, cell)
    at_chance = int(runs["diagnosis"].eq("at chance").sum())
    values = {
        "reported": format_percent(evidence.published(study, cell)),
        "measured": format_rate(measured),
        "stuck": at_chance,
    }
    outcome = "holds" if 2 * at_chance > len(runs) else "fails"
    protocol = say("protocol", study)
    return say("sigmoid_stuck", outcome, dataset=dataset, protocol=protocol, runs=len(runs), **values)


def layers_compared(evidence: Evidence, dataset: str) -> str:
    """Which layer has more dead ReLU units at the end, and how that changed since the first measurement."""
    first, last = (evidence.layers(STUDY, arm(dataset, "relu"), "dead_units/dead", moment) for moment in ("first", "last"))
    near, far = list(last)[0], list(last)[-1]
    found = difference(last[far], last[near])
    values = {"far": layer_label(far), "near": layer_label(near), "gap": format_points(found)}
    values |= {"dead_far": format_rate(last[far]), "dead_near": format_rate(last[near])}
    grown = difference(last[far], first[far])
    sentence = say("layers_compared", found.side, dataset=dataset, **values)
    return f"{sentence} {say('layer_over_time', grown.side, far=values['far'], gap=format_points(grown))}"


FINDINGS: dict[str, list[Finding]] = {
    "dead_ratio": [*on_each(dead_and_accuracy, DATASETS), *on_each(entries_and_units, ("moons",))],
    "leaky_helps": on_each(leaky_helps, DATASETS),
    "sigmoid_vanishes": [
        *on_each(where_sigmoid_vanishes, DATASETS),
        *on_each(sigmoid_stuck, ("circles",)),
        *on_each(sigmoid_stuck_as_published, ("circles",)),
    ],
    "layer_heat_map": on_each(layers_compared, DATASETS),
}
