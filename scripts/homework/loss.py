"""Part A of the sheet: cross entropy and the mean squared error (study `loss`)."""

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.report.figures.probes import layer_label

from .compare import Draft, Finding, average, common_side, difference, on_each, ratio, side_of, supports
from .evidence import Cell, Evidence
from .numbers import format_gap, format_percent, format_points, format_rate, format_sample
from .words import display_name, document_value, judge_claim, say

STUDY = "loss"
DATASETS = ("digits", "fashion_mnist")
CE: Cell = {"loss": "cross_entropy"}
MSE: Cell = {"loss": "mse", "loss.softmax": True}
SCALED = ("adam", "adamw", "rmsprop", "adagrad")  # optimizers that divide a step by the size of the gradients
BARE: Cell = {"loss": "mse", "loss.softmax": False}


def convergence(evidence: Evidence, dataset: str) -> Draft:
    """Epochs to converge, and the claim that cross entropy needs fewer."""
    mse, entropy = (evidence.values(STUDY, {**arm, "dataset": dataset}, "convergence_epoch") for arm in (MSE, CE))
    reported = document_value("convergence_loss", dataset)

    def write(found: Verdict) -> str:
        values = {"mse": format_sample(mse), "entropy": format_sample(entropy), "gap": format_gap(found)}
        sentence = say("mse_slower", side_of(found), dataset=dataset, **values)
        published = {"mse": reported["mse"], "entropy": reported["cross_entropy"]}
        return f"{sentence} {judge_claim(supports(found, 'greater'), 'entropy_faster', **published)}"

    return Draft([difference(mse, entropy)], write)


def small_gradient(evidence: Evidence, dataset: str) -> Draft:
    """The size of MSE's gradient before training, and whether a small one costs epochs."""
    arms = [{**arm, "dataset": dataset} for arm in (MSE, CE)]
    mse, entropy = (evidence.layers(STUDY, arm, "grad_flow/mean_abs", "first") for arm in arms)
    slower = difference(*(evidence.values(STUDY, arm, "convergence_epoch") for arm in arms))
    optimizer = str(evidence.runs(STUDY, arms[0])["optimizer"].iloc[0])

    def write(found: Verdict, slowness: Verdict) -> str:
        side = side_of(found)
        words = say("smaller_gradient", side, dataset=dataset, gap=format_gap(found))
        if side_of(slowness) == "greater":
            return f"{words} {say('gradient_and_slowness', side)}"
        scaled = "scaled" if optimizer in SCALED and side == "less" else "plain"
        return f"{words} {say('gradient_without_slowness', scaled, optimizer=display_name(optimizer))}"

    return Draft([ratio(average(mse.values()), average(entropy.values())), slower], write)


def first_epoch(evidence: Evidence, dataset: str) -> Draft:
    """Validation accuracy of the two losses after the first epoch."""
    entropy, mse = (evidence.curve(STUDY, {**arm, "dataset": dataset}, "val/acc", lambda c: c.iloc[0]) for arm in (CE, MSE))

    def write(found: Verdict) -> str:
        values = {"entropy": format_rate(entropy), "mse": format_rate(mse), "gap": format_points(found)}
        return say("entropy_ahead", side_of(found), dataset=dataset, **values)

    return Draft([difference(entropy, mse)], write)


def better_at_the_end(evidence: Evidence, dataset: str) -> Draft:
    """Test accuracy of the two losses, and the published one."""
    cells = [{**arm, "dataset": dataset} for arm in (CE, MSE)]
    entropy, mse = (evidence.values(STUDY, cell, "test/acc") for cell in cells)
    published = (format_percent(evidence.published(STUDY, cell)) for cell in cells)
    reported = dict(zip(("entropy", "mse"), published, strict=True))

    def write(found: Verdict) -> str:
        values = {"entropy": format_rate(entropy), "mse": format_rate(mse), "gap": format_points(found)}
        sentence = say("entropy_better", side_of(found), dataset=dataset, **values)
        return f"{sentence} {judge_claim(supports(found, 'greater'), 'entropy_better', **reported)}"

    return Draft([difference(entropy, mse)], write)


def early_and_late(evidence: Evidence, dataset: str) -> Draft:
    """By how much the gradient of the first and the last weights changes from the first to the last measurement."""
    changes = []
    names: list[str] = []
    for arm in (CE, MSE):
        cell = {**arm, "dataset": dataset}
        first, last = (evidence.layers(STUDY, cell, "grad_flow/mean_abs", moment) for moment in ("first", "last"))
        names = [list(first)[0], list(first)[-1]]
        changes += [ratio(last[layer], first[layer]) for layer in names]

    def write(*found: Verdict) -> str:
        parts = [f"{layer_label(layer)} {format_gap(change)}" for layer, change in zip(names * 2, found, strict=True)]
        values = {"entropy": ", ".join(parts[:2]), "mse": ", ".join(parts[2:])}
        return say("early_late", common_side(found), dataset=dataset, **values)

    return Draft(changes, write)


def mean_gradient(evidence: Evidence, dataset: str) -> Draft:
    """The mean gradient norm over all epochs, and that of a seeded re-run of the document's protocol."""
    cells = [{**arm, "dataset": dataset} for arm in (CE, MSE)]
    entropy, mse = (evidence.curve(STUDY, cell, "train/grad_norm", lambda c: c.mean()) for cell in cells)
    reported = document_value("gradient_norm_loss", dataset)

    def write(found: Verdict) -> str:
        values = {"entropy": format_sample(entropy), "mse": format_sample(mse), "gap": format_gap(found)}
        values |= {"published_entropy": reported["cross_entropy"], "published_mse": reported["mse"]}
        return say("mean_gradient", side_of(found), dataset=dataset, **values)

    return Draft([ratio(mse, entropy)], write)


def without_softmax(evidence: Evidence, dataset: str) -> Draft:
    """MSE on the bare outputs against MSE on probabilities."""
    cells = [{**arm, "dataset": dataset} for arm in (BARE, MSE)]
    accuracy, epochs = ([evidence.values(STUDY, cell, name) for cell in cells] for name in ("test/acc", "convergence_epoch"))

    def write(better: Verdict, slower: Verdict) -> str:
        values = {"bare": format_rate(accuracy[0]), "mse": format_rate(accuracy[1]), "gap": format_points(better)}
        sentence = say("bare", side_of(better), dataset=dataset, **values)
        values = {"bare": format_sample(epochs[0]), "mse": format_sample(epochs[1]), "gap": format_gap(slower)}
        return f"{sentence} {say('bare_epochs', side_of(slower), **values)}"

    return Draft([difference(*accuracy), difference(*epochs)], write)


def bare_on_both(evidence: Evidence) -> Draft:
    """The study's prediction that the bare outputs are worse, on the average of both data sets."""
    evidence = evidence.covering(STUDY, DATASETS)
    sides = [[evidence.values(STUDY, {**arm, "dataset": name}, "test/acc") for name in DATASETS] for arm in (BARE, MSE)]

    def write(found: Verdict) -> str:
        return say("bare_prediction", supports(found, "less"), gap=format_points(found))

    return Draft([difference(*sides)], write)


FINDINGS: dict[str, list[Finding]] = {
    "mse_slower": [*on_each(convergence, DATASETS, 1), *on_each(small_gradient, ("digits",), 2)],
    "entropy_faster": [*on_each(first_epoch, ("digits",), 1), *on_each(better_at_the_end, DATASETS, 1)],
    "early_late_gradients": [*on_each(early_and_late, DATASETS, 4), *on_each(mean_gradient, ("digits",), 1)],
    "without_softmax": [*on_each(without_softmax, DATASETS, 2), Finding(bare_on_both, 1)],
}
