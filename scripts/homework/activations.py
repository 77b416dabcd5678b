"""Part B of the sheet: ReLU, LeakyReLU and Sigmoid on two-dimensional data (study `activation_2d`)."""

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.report.figures.probes import layer_label

from .compare import Draft, Finding, average, common_side, correlation, difference, on_each, ratio, side_of, supports
from .evidence import Cell, Evidence, Moment, NotRunError, Sample
from .numbers import format_gap, format_percent, format_points, format_rate
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


def dead_and_accuracy(evidence: Evidence, dataset: str) -> Draft:
    """Whether runs with more dead ReLU units are less accurate."""
    cell = arm(dataset, "relu")
    dead, accuracy = mean_share(evidence, cell, "dead", "last"), evidence.values(STUDY, cell, "test/acc")

    def write(found: Verdict) -> str:
        unit = f"{found.unit}s"
        if found.estimate is None:
            return say("no_correlation", dataset=dataset, dead=format_rate(dead), n=found.n, unit=unit)
        values = {"unit": unit, "dead": format_rate(dead), "accuracy": format_rate(accuracy), "correlation": format_gap(found)}
        return say("dead_and_accuracy", side_of(found), dataset=dataset, **values)

    return Draft([correlation(dead, accuracy)], write)


def entries_and_units(evidence: Evidence, dataset: str) -> Draft:
    """The document's ratio, which counts entries, and ours of entries and of units, by the document's protocol."""
    cell, reported = arm(dataset, "relu"), document_value("entries_at_or_below_zero", dataset)
    entries = mean_share(evidence, cell, "nonpositive", "mean", PUBLISHED)
    dead = mean_share(evidence, cell, "dead", "mean", PUBLISHED)
    values = {"csv": format_percent(reported["relu"]), "sheet": format_percent(reported["relu_sheet"])}
    values |= {"entries": format_rate(entries), "dead": format_rate(dead)}
    return Draft([], lambda: say("what_was_counted", dataset=dataset, **values))


def leaky_units(evidence: Evidence, dataset: str) -> Draft:
    """Dead units of LeakyReLU against ReLU, and the claim that LeakyReLU relieves dead units."""
    cells = [arm(dataset, option) for option in ("leaky_relu", "relu")]
    dead = difference(*(mean_share(evidence, cell, "dead", "last") for cell in cells))
    entries = difference(*(mean_share(evidence, cell, "nonpositive", "mean") for cell in cells))
    reported = document_value("entries_at_or_below_zero", dataset)
    published = {"relu": format_percent(reported["relu"]), "leaky": format_percent(reported["leaky_relu"])}

    def write(of_dead: Verdict, of_entries: Verdict) -> str:
        sentence = say("leaky_dead", side_of(of_dead), dataset=dataset, dead=format_points(of_dead))
        claim = judge_claim(supports(of_entries, "less"), "leaky_relieves", **published, gap=format_points(of_entries))
        return f"{sentence} {claim}"

    return Draft([dead, entries], write)


def leaky_accuracy(evidence: Evidence, dataset: str) -> Draft:
    """The accuracy of LeakyReLU against ReLU."""
    samples = [evidence.values(STUDY, arm(dataset, option), "test/acc") for option in ("leaky_relu", "relu")]

    def write(found: Verdict) -> str:
        return say("leaky_accuracy", side_of(found), dataset=dataset, accuracy=format_points(found))

    return Draft([difference(*samples)], write)


def where_sigmoid_vanishes(evidence: Evidence, dataset: str, moment: Moment) -> Draft:
    """Sigmoid's gradient relative to ReLU's in every layer, before training or at the end; no layer is picked."""
    sigmoid, relu = (
        evidence.layers(STUDY, arm(dataset, option), "grad_flow/mean_abs", moment) for option in ("sigmoid", "relu")
    )
    if not sigmoid.keys() & relu.keys():
        raise NotRunError(STUDY, dataset)
    layers = [layer for layer in sigmoid if layer in relu]

    def write(*found: Verdict) -> str:
        parts = [f"{layer_label(layer)} {format_gap(verdict)}" for layer, verdict in zip(layers, found, strict=True)]
        when = say("moment", moment)
        return say("sigmoid_vanishes", common_side(found), dataset=dataset, when=when, ratios="; ".join(parts))

    return Draft([ratio(sigmoid[layer], relu[layer]) for layer in layers], write)


def sigmoid_stuck(evidence: Evidence, dataset: str, study: str) -> Draft:
    """The claim that Sigmoid is stuck, by a protocol: it is worse than ReLU, and so many runs end at chance."""
    cells = [arm(dataset, option) for option in ("sigmoid", "relu")]
    sigmoid, relu = (evidence.values(study, cell, "test/acc") for cell in cells)
    runs = evidence.runs(study, cells[0])
    values = {"stuck": int(runs["diagnosis"].eq("at chance").sum()), "runs": len(runs), "measured": format_rate(sigmoid)}
    values |= {"reported": format_percent(evidence.published(study, cells[0])), "protocol": say("protocol", study)}

    def write(found: Verdict) -> str:
        return say("sigmoid_stuck", side_of(found), dataset=dataset, gap=format_points(found), **values)

    return Draft([difference(sigmoid, relu)], write)


def layers_compared(evidence: Evidence, dataset: str) -> Draft:
    """Which layer has more dead ReLU units at the end, and how that changed since the first measurement."""
    first, last = (evidence.layers(STUDY, arm(dataset, "relu"), "dead_units/dead", moment) for moment in ("first", "last"))
    near, far = list(last)[0], list(last)[-1]
    values = {"far": layer_label(far), "near": layer_label(near)}
    values |= {"dead_far": format_rate(last[far]), "dead_near": format_rate(last[near])}

    def write(against: Verdict, grown: Verdict) -> str:
        sentence = say("layers_compared", side_of(against), dataset=dataset, gap=format_points(against), **values)
        return f"{sentence} {say('layer_over_time', side_of(grown), far=values['far'], gap=format_points(grown))}"

    return Draft([difference(last[far], last[near]), difference(last[far], first[far])], write)


FINDINGS: dict[str, list[Finding]] = {
    "dead_ratio": [*on_each(dead_and_accuracy, DATASETS, 1), *on_each(entries_and_units, ("moons",))],
    "leaky_helps": [*on_each(leaky_units, DATASETS, 2), *on_each(leaky_accuracy, DATASETS, 1)],
    "sigmoid_vanishes": [
        *on_each(where_sigmoid_vanishes, DATASETS, 3, moment="first"),
        *on_each(where_sigmoid_vanishes, DATASETS, 3, moment="last"),
        *on_each(sigmoid_stuck, ("circles",), 1, study=STUDY),
        *on_each(sigmoid_stuck, ("circles",), 1, study=PUBLISHED),
    ],
    "layer_heat_map": on_each(layers_compared, DATASETS, 2),
}
