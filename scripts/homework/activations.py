"""Part B of the sheet: ReLU, LeakyReLU and Sigmoid on two-dimensional data (study `activation_2d`)."""

import math

from dlexp.analysis.report.figures.probes import layer_label

from .compare import average, correlation, difference, gap, percent, ratio, shown, stands
from .evidence import Cell, Evidence, Finding, Moment, NotRunError, Sample, each
from .words import claim, name, published, say

STUDY = "activation_2d"
PUBLISHED = "activation_2d_published"
DATASETS = ("moons", "circles")


def arm(dataset: str, activation: str) -> Cell:
    """One arm of the study."""
    return {"dataset": dataset, "activation": activation}


def share(evidence: Evidence, cell: Cell, what: str, moment: Moment, study: str = STUDY) -> Sample:
    """A share of units or entries, the mean over the layers."""
    return average(evidence.layers(study, cell, f"dead_units/{what}", moment).values())


def dead_and_accuracy(evidence: Evidence, dataset: str) -> str:
    """Whether runs with more dead ReLU units are less accurate."""
    cell = arm(dataset, "relu")
    dead, accuracy = share(evidence, cell, "dead", "last"), evidence.values(STUDY, cell, "test/acc")
    found = correlation(dead, accuracy)
    if math.isnan(found.low):
        return say("no_correlation", dataset=name(dataset), dead=shown(dead, rate=True), n=found.n)
    facts = {"dead": shown(dead, rate=True), "accuracy": shown(accuracy, rate=True), "correlation": gap(found)}
    return say("dead_and_accuracy", found.side, dataset=name(dataset), **facts)


def what_was_counted(evidence: Evidence, dataset: str) -> str:
    """The document's ratio, which counts entries, beside ours of entries and of units by its own protocol."""
    cell, theirs = arm(dataset, "relu"), published("entries_at_or_below_zero", dataset)
    entries = share(evidence, cell, "nonpositive", "mean", PUBLISHED)
    dead = share(evidence, cell, "dead", "mean", PUBLISHED)
    facts = {"csv": percent(theirs["relu"]), "sheet": percent(theirs["relu_sheet"])}
    return say(
        "what_was_counted", dataset=name(dataset), entries=shown(entries, rate=True), dead=shown(dead, rate=True), **facts
    )


def leaky_helps(evidence: Evidence, dataset: str) -> str:
    """Dead units and accuracy of LeakyReLU against ReLU, and the document's claim of relief."""
    leaky, relu = arm(dataset, "leaky_relu"), arm(dataset, "relu")
    dead = difference(*(share(evidence, cell, "dead", "last") for cell in (leaky, relu)))
    entries = difference(*(share(evidence, cell, "nonpositive", "mean") for cell in (leaky, relu)))
    better = evidence.verdict(STUDY, [dataset], f"LeakyReLU beats ReLU on {dataset}")
    accuracy = difference(*(evidence.values(STUDY, cell, "test/acc") for cell in (leaky, relu)))
    facts = {"dead": gap(dead, rate=True), "accuracy": gap(accuracy, rate=True)}
    told = say("leaky_dead", dead.side, dataset=name(dataset), **facts)
    told += " " + say("leaky_accuracy", better.verdict, accuracy=facts["accuracy"])
    theirs = published("entries_at_or_below_zero", dataset)
    numbers = {"relu": percent(theirs["relu"]), "leaky": percent(theirs["leaky_relu"]), "gap": gap(entries, rate=True)}
    return f"{told} {claim(stands(entries, 'less'), 'leaky_relieves', **numbers)}"


def where_sigmoid_vanishes(evidence: Evidence, dataset: str) -> str:
    """The layer in which Sigmoid's gradient is smallest against ReLU's, before training and at the end."""
    facts: dict[str, str] = {}
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
        facts |= {f"{moment}_layer": layer_label(least), f"{moment}_gap": gap(known[least])}
        sides.append(known[least].side)
    return say("sigmoid_vanishes", sides[0], dataset=name(dataset), **facts) + " " + say("sigmoid_later", sides[1], **facts)


def sigmoid_stuck(evidence: Evidence, dataset: str) -> str:
    """The claim that Sigmoid is stuck, where the first weights are PyTorch's."""
    return _stuck(evidence, STUDY, dataset)


def sigmoid_stuck_as_published(evidence: Evidence, dataset: str) -> str:
    """The same with the document's own protocol, and so with its small first weights."""
    return _stuck(evidence, PUBLISHED, dataset)


def _stuck(evidence: Evidence, study: str, dataset: str) -> str:
    """Stuck: most of the runs are at chance at the end."""
    cell = arm(dataset, "sigmoid")
    ours, runs = evidence.values(study, cell, "test/acc"), evidence.runs(study, cell)
    at_chance = int(runs["diagnosis"].eq("at chance").sum())
    facts = {"theirs": percent(evidence.published(study, cell)), "ours": shown(ours, rate=True), "stuck": at_chance}
    outcome = "holds" if 2 * at_chance > len(runs) else "fails"
    protocol = say("protocol", study)
    return say("sigmoid_stuck", outcome, dataset=name(dataset), protocol=protocol, runs=len(runs), **facts)


def layers_compared(evidence: Evidence, dataset: str) -> str:
    """Which layer has more dead ReLU units at the end, and how that changed since the first measurement."""
    first, last = (evidence.layers(STUDY, arm(dataset, "relu"), "dead_units/dead", moment) for moment in ("first", "last"))
    near, far = list(last)[0], list(last)[-1]
    found = difference(last[far], last[near])
    facts = {"far": layer_label(far), "near": layer_label(near), "gap": gap(found, rate=True)}
    facts |= {"dead_far": shown(last[far], rate=True), "dead_near": shown(last[near], rate=True)}
    grown = difference(last[far], first[far])
    told = say("layers_compared", found.side, dataset=name(dataset), **facts)
    return f"{told} {say('layer_over_time', grown.side, far=facts['far'], gap=gap(grown, rate=True))}"


FINDINGS: dict[str, list[Finding]] = {
    "dead_ratio": [*each(dead_and_accuracy, DATASETS), *each(what_was_counted, ("moons",))],
    "leaky_helps": each(leaky_helps, DATASETS),
    "sigmoid_vanishes": [
        *each(where_sigmoid_vanishes, DATASETS),
        *each(sigmoid_stuck, ("circles",)),
        *each(sigmoid_stuck_as_published, ("circles",)),
    ],
    "layer_heat_map": each(layers_compared, DATASETS),
}
