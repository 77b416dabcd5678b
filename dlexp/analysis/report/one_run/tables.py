"""The tables of one run's page, as text; each string is escaped where the page is rendered."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from dlexp.analysis.report.arrange import is_number
from dlexp.analysis.report.figures.arrays import Arrays
from dlexp.analysis.report.figures.probes import spread
from dlexp.analysis.report.labels import show, unit_suffix
from dlexp.analysis.report.one_run.content import RunContent
from dlexp.analysis.report.one_run.figures import MAX_NUMBERED
from dlexp.analysis.report.tables import Table, format_metric, format_number, shorten
from dlexp.analysis.report.text import Text

MAX_PAIRS = 20
MAX_EXAMPLES = 12  # of a table
MAX_LENGTH = 300  # characters of a value; a longer one is cut off
SHOWN_APART = ("seconds", "memory.", "num_parameters", "num_epochs", "selected_on_test")  # beginnings of keys of the summary


def list_facts(content: RunContent, text: Text) -> list[tuple[str, str]]:
    """What a reader looks for first: status, test numbers, size and cost."""
    run, summary = content.run, content.run.summary
    facts = [(text("status"), text.word(run.status))]
    for metric in ("test/acc", "test/rmse", "test/loss", "test/balanced_acc", "test/macro_f1", "test/roc_auc", "test/ece"):
        if metric in run.metrics:
            facts.append(
                (text.metric(metric).removesuffix(" (%)").removesuffix("(%)"), _with_unit(metric, run.metrics[metric]))
            )
    if is_number(summary.get("num_epochs")):
        facts.append((text("epochs"), format_number(summary["num_epochs"])))
    elif len(content.curve):
        facts.append((text("epochs"), format_number(content.curve["epoch"].max())))
    if is_number(summary.get("num_parameters")):
        facts.append((text("parameters"), format_number(summary["num_parameters"])))
    if is_number(summary.get("seconds")):
        facts.append((text("seconds"), format_number(summary["seconds"])))
    for kind in ("allocated", "process"):
        if is_number(summary.get(f"memory.{kind}")):
            facts.append((text(f"memory_{kind}"), format_number(round(summary[f"memory.{kind}"] / 2**20))))
    return facts + ([(text("device"), _cut(summary["device"]))] if summary.get("device") else [])


def _with_unit(metric: str, value: float) -> str:
    shown = format_metric(metric, value)
    return shown + unit_suffix(metric) if np.isfinite(value) else shown


def build_pairs(arrays: Arrays, text: Text) -> Table | None:
    """The pairs of classes that are confused most often, where the matrix has no numbers."""
    names, counts = arrays["classes"], arrays["confusion"]
    if len(names) <= MAX_NUMBERED:
        return None
    true, predicted = counts.nonzero()
    true, predicted = true[true != predicted], predicted[true != predicted]
    largest = np.argsort(-counts[true, predicted].astype(int), kind="stable")[:MAX_PAIRS]
    rows = [
        [_cut(names[i]), _cut(names[j]), str(counts[i, j]), format_metric("acc", counts[i, j] / counts[i].sum())]
        for i, j in zip(true[largest], predicted[largest], strict=True)
    ]
    head = [text("true_class"), text("predicted_class"), text("num_examples"), text("share")]
    return Table(text("caption_pairs"), head, rows, frozenset({2, 3})) if rows else None


def build_classes(arrays: Arrays, text: Text) -> Table:
    """Number of test examples, recall, precision and F1 of each class, computed from the confusion matrix."""
    counts = arrays["confusion"]
    hits, examples, predicted = counts.diagonal().astype(float), counts.sum(1, dtype=float), counts.sum(0, dtype=float)
    rows = [
        [_cut(name), format_number(n), _share(hit, n), _share(hit, m), _share(2 * hit, n + m)]
        for name, hit, n, m in zip(arrays["classes"], hits, examples, predicted, strict=True)
    ]
    head = [text("class"), text("num_examples"), text("recall"), text("precision"), "F1"]
    return shorten(Table(text("caption_run_classes"), head, rows, frozenset(range(1, 5))), text, "more_classes")


def _share(part: float, whole: float) -> str:
    return format_metric("acc", part / whole) if whole else "–"


def build_examples(arrays: Arrays, text: Text) -> list[Table]:
    """Predicted beside true values: of examples at equal distances in the test split, and of the worst ones.

    Images have pictures instead.
    """
    if any(name in arrays for name in ("sample_images", "worst_images")):
        return []
    count = len(arrays["target"])
    ordinary = spread(count, MAX_EXAMPLES)
    if "classes" in arrays:
        worst = [int(index) for index in arrays.get("worst", ())][:MAX_EXAMPLES]
        return _build_class_examples(arrays, text, ordinary, worst)
    errors = np.abs(arrays["predicted"] - arrays["target"]).sum(1, dtype=float)
    worst = [int(index) for index in np.argsort(-np.where(np.isfinite(errors), errors, np.inf), kind="stable")[:MAX_EXAMPLES]]
    return _build_number_examples(arrays, text, ordinary, worst)


def _build_class_examples(arrays: Arrays, text: Text, ordinary: list[int], worst: list[int]) -> list[Table]:
    head = [text("index"), text("true_class"), text("predicted_class"), text("p_true"), text("p_predicted")]

    def build(caption: str, places: Iterable[int]) -> Table:
        rows = []
        for i in places:
            true, predicted = (_cut(arrays["classes"][arrays[name][i]]) for name in ("target", "predicted"))
            rows.append(
                [str(i), true, predicted, *(format_metric("acc", arrays[name][i]) for name in ("p_target", "p_predicted"))]
            )
        return Table(text(caption), head, rows, frozenset({0, 3, 4}))

    return [build("caption_ordinary", ordinary), *([build("caption_worst", worst)] if worst else [])]


def _build_number_examples(arrays: Arrays, text: Text, ordinary: list[int], worst: list[int]) -> list[Table]:
    head = [text("index"), text("true_value"), text("predicted_value"), text("error")]

    def build(caption: str, places: Iterable[int]) -> Table:
        rows = []
        for i in places:
            true, predicted = (arrays[name][i].astype(float) for name in ("target", "predicted"))
            rows.append([str(i), *(_show_numbers(values) for values in (true, predicted, predicted - true))])
        return Table(text(caption), head, rows, frozenset(range(4)))

    return [build("caption_ordinary", ordinary), build("caption_worst_values", worst)]


def _show_numbers(values: np.ndarray) -> str:
    return ", ".join(format_metric("value", value) for value in values[:4]) + (" …" if len(values) > 4 else "")


def build_overrides(content: RunContent, text: Text) -> Table | None:
    """The settings that differ from the defaults; of a run without a summary those that were typed."""
    overrides = content.overrides or content.typed
    if not overrides:
        return None
    rows = [[_cut(part) for part in override.partition("=")[::2]] for override in overrides]
    caption = text("caption_overrides" if content.overrides else "caption_typed")
    return shorten(Table(caption, [text("setting"), text("value")], rows), text, "more_in_summary")


def build_costs(content: RunContent, text: Text) -> list[Table | None]:
    """Seconds by phase, and memory."""
    return [_build_seconds(content, text), _build_memory(content, text)]


def _build_seconds(content: RunContent, text: Text) -> Table | None:
    """Seconds of each phase, and their sum."""
    summary = content.run.summary
    phases = {"seconds": "train"} | {key: key.removeprefix("seconds.") for key in summary if key.startswith("seconds.")}
    known = {name: float(summary[key]) for key, name in phases.items() if is_number(summary.get(key))}
    if not known:
        return None
    rows = [[_cut(name), f"{seconds:.3g}"] for name, seconds in sorted(known.items(), key=lambda item: -item[1])]
    rows.append([text("sum"), f"{sum(known.values()):.3g}"])
    return Table(text("caption_seconds"), [text("phase"), text("phase_seconds")], rows[:50], frozenset({1}))


def _build_memory(content: RunContent, text: Text) -> Table | None:
    """Peak memory, in MiB."""
    sizes = {key: value for key, value in content.run.summary.items() if key.startswith("memory.") and is_number(value)}
    rows = [[_cut(key.removeprefix("memory.")), format_number(round(value / 2**20))] for key, value in sizes.items()]
    return Table(text("caption_memory"), [text("memory"), "MiB"], rows[:50], frozenset({1})) if rows else None


def build_record(content: RunContent, text: Text) -> Table:
    """The rest of the record: id, versions, git commit, device and so on."""
    rows = [["id", content.run.id], ["folder", content.run.path.name]]
    for key, value in content.run.summary.items():
        if not key.startswith(SHOWN_APART) and value is not None:
            rows.append([_cut(key), _cut(show(value))])
    return shorten(Table(text("caption_record"), [text("setting"), text("value")], rows), text, "more_in_summary")


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]} …"
