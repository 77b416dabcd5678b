"""Part A of the sheet: cross entropy and the mean squared error (study `loss`)."""

from dlexp.analysis.report.figures.probes import layer_label

from .compare import average, difference, format_gap, format_percent, format_points, format_rate, format_sample, ratio
from .evidence import Cell, Evidence, Finding, on_each
from .words import display_name, document_value, judge_claim, say

STUDY = "loss"
DATASETS = ("digits", "fashion_mnist")
CE: Cell = {"loss": "cross_entropy"}
MSE: Cell = {"loss": "mse", "loss.softmax": True}
SCALED = ("adam", "adamw", "rmsprop", "adagrad")  # optimizers that divide a step by the size of the gradients
BARE: Cell = {"loss": "mse", "loss.softmax": False}


def convergence(evidence: Evidence, dataset: str) -> str:
    """Epochs to converge, and the claim that cross entropy needs fewer."""
    mse, entropy = (evidence.values(STUDY, {**arm, "dataset": dataset}, "convergence_epoch") for arm in (MSE, CE))
    found = difference(mse, entropy)
    values = {"mse": format_sample(mse), "entropy": format_sample(entropy), "gap": format_gap(found)}
    sentence = say("mse_slower", found.side, dataset=dataset, **values)
    reported = document_value("convergence_loss", dataset)
    claim = f"Cross entropy needs fewer epochs than MSE to converge on {display_name(dataset)}"
    verdict = evidence.verdict(STUDY, [dataset], claim)
    published = {"mse": reported["mse"], "entropy": reported["cross_entropy"]}
    return f"{sentence} {judge_claim(verdict.verdict, 'entropy_faster', **published)}"


def small_gradient(evidence: Evidence, dataset: str) -> str:
    """The size of MSE's gradient before training, and whether a small one costs epochs."""
    arms = [{**arm, "dataset": dataset} for arm in (MSE, CE)]
    mse, entropy = (evidence.layers(STUDY, arm, "grad_flow/mean_abs", "first") for arm in arms)
    slower = difference(*(evidence.values(STUDY, arm, "convergence_epoch") for arm in arms))
    found = ratio(average(mse.values()), average(entropy.values()))
    optimizer = str(evidence.runs(STUDY, arms[0])["optimizer"].iloc[0])
    words = say("smaller_gradient", found.side, dataset=dataset, gap=format_gap(found))
    if slower.side == "greater":
        return f"{words} {say('gradient_and_slowness', found.side)}"
    scaled = "scaled" if optimizer in SCALED and found.side == "less" else "plain"
    return f"{words} {say('gradient_without_slowness', scaled, optimizer=display_name(optimizer))}"


def first_epoch(evidence: Evidence, dataset: str) -> str:
    """Validation accuracy of the two losses after the first epoch."""
    entropy, mse = (evidence.curve(STUDY, {**arm, "dataset": dataset}, "val/acc", lambda c: c.iloc[0]) for arm in (CE, MSE))
    found = difference(entropy, mse)
    values = {"entropy": format_rate(entropy), "mse": format_rate(mse), "gap": format_points(found)}
    return say("entropy_ahead", found.side, dataset=dataset, **values)


def better_at_the_end(evidence: Evidence, dataset: str) -> str:
    """Test accuracy of the two losses, and the published one."""
    cells = [{**arm, "dataset": dataset} for arm in (CE, MSE)]
    entropy, mse = (evidence.values(STUDY, cell, "test/acc") for cell in cells)
    found = difference(entropy, mse)
    values = {"entropy": format_rate(entropy), "mse": format_rate(mse), "gap": format_points(found)}
    sentence = say("entropy_better", found.side, dataset=dataset, **values)
    verdict = evidence.verdict(STUDY, [dataset], f"Cross entropy beats MSE on {display_name(dataset)}")
    published = (format_percent(evidence.published(STUDY, cell)) for cell in cells)
    reported = dict(zip(("entropy", "mse"), published, strict=True))
    return f"{sentence} {judge_claim(verdict.verdict, 'entropy_better', **reported)}"


def early_and_late(evidence: Evidence, dataset: str) -> str:
    """By how much the gradient of the first and the last weights changes from the first to the last measurement."""
    values: dict[str, str] = {}
    sides = set()
    for key, arm in (("entropy", CE), ("mse", MSE)):
        cell = {**arm, "dataset": dataset}
        first, last = (evidence.layers(STUDY, cell, "grad_flow/mean_abs", moment) for moment in ("first", "last"))
        changes = {layer: ratio(last[layer], first[layer]) for layer in (list(first)[0], list(first)[-1])}
        sides |= {change.side for change in changes.values()}
        values |= {key: ", ".join(f"{layer_label(layer)} {format_gap(change)}" for layer, change in changes.items())}
    return say("early_late", sides.pop() if len(sides) == 1 else "unknown", dataset=dataset, **values)


def mean_gradient(evidence: Evidence, dataset: str) -> str:
    """The mean gradient norm over all epochs, and that of a seeded re-run of the document's protocol."""
    cells = [{**arm, "dataset": dataset} for arm in (CE, MSE)]
    entropy, mse = (evidence.curve(STUDY, cell, "train/grad_norm", lambda c: c.mean()) for cell in cells)
    reported = document_value("gradient_norm_loss", dataset)
    values = {"entropy": format_sample(entropy), "mse": format_sample(mse), "gap": format_gap(ratio(mse, entropy))}
    values |= {"published_entropy": reported["cross_entropy"], "published_mse": reported["mse"]}
    return say("mean_gradient", ratio(mse, entropy).side, dataset=dataset, **values)


def without_softmax(evidence: Evidence, dataset: str) -> str:
    """MSE on the bare outputs against MSE on probabilities."""
    bare, mse = (evidence.values(STUDY, {**arm, "dataset": dataset}, "test/acc") for arm in (BARE, MSE))
    epochs = [evidence.values(STUDY, {**arm, "dataset": dataset}, "convergence_epoch") for arm in (BARE, MSE)]
    found = difference(bare, mse)
    values = {"bare": format_rate(bare), "mse": format_rate(mse), "gap": format_points(found)}
    values |= {"epochs_bare": format_sample(epochs[0]), "epochs_mse": format_sample(epochs[1])}
    return say("bare", found.side, dataset=dataset, **values)


def bare_prediction(evidence: Evidence) -> str:
    """The verdict on the study's prediction that the bare outputs are worse."""
    verdict = evidence.verdict(STUDY, DATASETS, "MSE on the bare outputs is worse than MSE on probabilities")
    return say("bare_prediction", verdict.verdict, reason=verdict.reason)


FINDINGS: dict[str, list[Finding]] = {
    "mse_slower": [*on_each(convergence, DATASETS), *on_each(small_gradient, ("digits",))],
    "entropy_faster": [*on_each(first_epoch, ("digits",)), *on_each(better_at_the_end, DATASETS)],
    "early_late_gradients": [*on_each(early_and_late, DATASETS), *on_each(mean_gradient, ("digits",))],
    "without_softmax": [*on_each(without_softmax, DATASETS), bare_prediction],
}
