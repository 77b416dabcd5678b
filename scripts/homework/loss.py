"""Part A of the sheet: cross entropy and the mean squared error (study `loss`)."""

from dlexp.analysis.report.figures.probes import layer_label

from .compare import Difference, average, difference, gap, percent, ratio, shown
from .evidence import Cell, Evidence, Finding, each
from .words import claim, name, published, say

STUDY = "loss"
DATASETS = ("digits", "fashion_mnist")
CE: Cell = {"loss": "cross_entropy"}
MSE: Cell = {"loss": "mse", "loss.softmax": True}
SCALED = ("adam", "adamw", "rmsprop", "adagrad")  # divide a step by the size of the gradients
BARE: Cell = {"loss": "mse", "loss.softmax": False}


def convergence(evidence: Evidence, dataset: str) -> str:
    """Epochs to converge, and what became of the claim that cross entropy needs fewer."""
    mse, entropy = (evidence.values(STUDY, {**arm, "dataset": dataset}, "convergence_epoch") for arm in (MSE, CE))
    found = difference(mse, entropy)
    told = say("mse_slower", found.side, dataset=name(dataset), mse=shown(mse), entropy=shown(entropy), gap=gap(found))
    theirs = published("convergence_loss", dataset)
    verdict = evidence.verdict(
        STUDY, [dataset], f"Cross entropy needs fewer epochs than MSE to converge on {_as_typed(dataset)}"
    )
    return f"{told} {claim(verdict.verdict, 'entropy_faster', mse=theirs['mse'], entropy=theirs['cross_entropy'])}"


def _as_typed(dataset: str) -> str:
    return {"fashion_mnist": "Fashion-MNIST"}.get(dataset, dataset)


def small_gradient(evidence: Evidence, dataset: str) -> str:
    """How small MSE's gradient is at the start, and whether that costs epochs."""
    arms = [{**arm, "dataset": dataset} for arm in (MSE, CE)]
    mse, entropy = (evidence.layers(STUDY, arm, "grad_flow/mean_abs", "first") for arm in arms)
    slower = difference(*(evidence.values(STUDY, arm, "convergence_epoch") for arm in arms))
    found = ratio(average(mse.values()), average(entropy.values()))
    optimizer = str(evidence.runs(STUDY, arms[0])["optimizer"].iloc[0])
    words = say("smaller_gradient", found.side, dataset=name(dataset), gap=gap(found))
    if slower.side == "greater":
        return f"{words} {say('gradient_and_slowness', found.side)}"
    scaled = "scaled" if optimizer in SCALED and found.side == "less" else "plain"
    return f"{words} {say('gradient_without_slowness', scaled, optimizer=name(optimizer))}"


def first_epoch(evidence: Evidence, dataset: str) -> str:
    """Validation accuracy after the first epoch: who is ahead."""
    entropy, mse = (evidence.curve(STUDY, {**arm, "dataset": dataset}, "val/acc", lambda c: c.iloc[0]) for arm in (CE, MSE))
    found = difference(entropy, mse)
    facts = {"entropy": shown(entropy, rate=True), "mse": shown(mse, rate=True), "gap": gap(found, rate=True)}
    return say("entropy_ahead", found.side, dataset=name(dataset), **facts)


def better_at_the_end(evidence: Evidence, dataset: str) -> str:
    """Test accuracy of the two losses, beside the published."""
    cells = [{**arm, "dataset": dataset} for arm in (CE, MSE)]
    entropy, mse = (evidence.values(STUDY, cell, "test/acc") for cell in cells)
    found = difference(entropy, mse)
    facts = {"entropy": shown(entropy, rate=True), "mse": shown(mse, rate=True), "gap": gap(found, rate=True)}
    told = say("entropy_better", found.side, dataset=name(dataset), **facts)
    verdict = evidence.verdict(STUDY, [dataset], f"Cross entropy beats MSE on {_as_typed(dataset)}")
    theirs = {key: percent(evidence.published(STUDY, cell)) for key, cell in zip(("entropy", "mse"), cells, strict=True)}
    return f"{told} {claim(verdict.verdict, 'entropy_better', **theirs)}"


def early_and_late(evidence: Evidence, dataset: str) -> str:
    """By how much the gradient of the first and the last weights changes from the first to the last measurement."""
    facts: dict[str, str] = {}
    fallen: list[Difference] = []
    for key, arm in (("entropy", CE), ("mse", MSE)):
        first, last = (
            evidence.layers(STUDY, {**arm, "dataset": dataset}, "grad_flow/mean_abs", at) for at in ("first", "last")
        )
        ends = list(first)[0], list(first)[-1]
        fallen += [ratio(last[layer], first[layer]) for layer in ends]
        facts |= {key: ", ".join(f"{layer_label(layer)} {gap(ratio(last[layer], first[layer]))}" for layer in ends)}
    sides = {found.side for found in fallen}
    return say("early_late", sides.pop() if len(sides) == 1 else "unknown", dataset=name(dataset), **facts)


def mean_gradient(evidence: Evidence, dataset: str) -> str:
    """The mean gradient norm over all epochs, beside a seeded re-run of the document's protocol."""
    cells = [{**arm, "dataset": dataset} for arm in (CE, MSE)]
    entropy, mse = (evidence.curve(STUDY, cell, "train/grad_norm", lambda c: c.mean()) for cell in cells)
    theirs = published("gradient_norm_loss", dataset)
    facts = {"entropy": shown(entropy), "mse": shown(mse), "gap": gap(ratio(mse, entropy))}
    facts |= {"their_entropy": theirs["cross_entropy"], "their_mse": theirs["mse"]}
    return say("mean_gradient", ratio(mse, entropy).side, dataset=name(dataset), **facts)


def without_softmax(evidence: Evidence, dataset: str) -> str:
    """MSE on the bare outputs against MSE on probabilities."""
    bare, mse = (evidence.values(STUDY, {**arm, "dataset": dataset}, "test/acc") for arm in (BARE, MSE))
    epochs = [evidence.values(STUDY, {**arm, "dataset": dataset}, "convergence_epoch") for arm in (BARE, MSE)]
    found = difference(bare, mse)
    facts = {"bare": shown(bare, rate=True), "mse": shown(mse, rate=True), "gap": gap(found, rate=True)}
    facts |= {"epochs_bare": shown(epochs[0]), "epochs_mse": shown(epochs[1])}
    return say("bare", found.side, dataset=name(dataset), **facts)


def bare_prediction(evidence: Evidence) -> str:
    """What became of the study's prediction that the bare outputs are worse."""
    verdict = evidence.verdict(STUDY, DATASETS, "MSE on the bare outputs is worse than MSE on probabilities")
    return say("bare_prediction", verdict.verdict, reason=verdict.reason)


FINDINGS: dict[str, list[Finding]] = {
    "mse_slower": [*each(convergence, DATASETS), *each(small_gradient, ("digits",))],
    "entropy_faster": [*each(first_epoch, ("digits",)), *each(better_at_the_end, DATASETS)],
    "early_late_gradients": [*each(early_and_late, DATASETS), *each(mean_gradient, ("digits",))],
    "without_softmax": [*each(without_softmax, DATASETS), bare_prediction],
}
