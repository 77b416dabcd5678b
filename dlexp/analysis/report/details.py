"""The tables behind the results: convergence, classes, costs, environment, and the runs that are not in the means."""

from collections import Counter

import pandas as pd

from dlexp.analysis.judge.cells import FAILED, FINISHED, NOT_RUN
from dlexp.analysis.judge.diagnose import ADVICE
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.code import DIGITS
from dlexp.analysis.report.arrange import add_cell_names, cell_name, cell_names, group_by, records, show_repeat, varying_keys
from dlexp.analysis.report.figures.arrays import PREDICTIONS, best_and_worst, load_cell_arrays
from dlexp.analysis.report.tables import Table, format_metric, format_number, shorten, to_text
from dlexp.analysis.report.text import Text


def _split_by_cell(result: StudyResult, runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The given runs of each cell that has any, by the cell's name."""
    runs = add_cell_names(runs, varying_keys(result))
    by_cell = {name: runs[runs["cell"] == name] for name in cell_names(result)}
    return {name: group for name, group in by_cell.items() if len(group)}


def build_costs(result: StudyResult, text: Text) -> Table | None:
    """Seconds, compilation, parameters, steps and memory of each cell, where they were recorded."""
    finished = result.runs[result.runs["status"].isin(FINISHED)]
    columns = [("seconds", "seconds", 1.0)]
    if "seconds.compile" in finished and finished["seconds.compile"].gt(0).any():
        columns.append(("seconds.compile", "compilation", 1.0))
    columns += [("num_steps", "steps", 1.0), ("num_parameters", "parameters", 1.0)]
    columns += [(f"memory.{kind}", f"memory_{kind}", 2**-20) for kind in ("process", "allocated", "reserved")]
    columns = [item for item in columns if item[0] in finished and finished[item[0]].notna().any()]
    if not columns:
        return None
    rows = [
        [cell, *(format_number((runs[column].astype(float) * factor).mean()) for column, _, factor in columns)]
        for cell, runs in _split_by_cell(result, finished).items()
    ]
    head = [text("cell"), *(text(label) for _, label, _ in columns)]
    return Table(text("caption_costs"), head, rows, frozenset(range(1, len(head))))


def build_broken(result: StudyResult, text: Text) -> Table | None:
    """The runs that are missing, failed or diverged, with their reasons; runs of a cell with the same reason share a row."""
    runs = result.runs[result.runs["status"].isin([*FAILED, *NOT_RUN, "diverged"])]
    if runs.empty:
        return None
    keys = varying_keys(result)
    groups = group_by(records(runs), lambda run: (cell_name(run, keys), text.word(run["status"]), to_text(run.get("reason"))))
    rows = [
        [
            *group,
            ", ".join(show_repeat(run, by_draw=result.by_draw) for run in alike),
            ", ".join(to_text(run["id"]) for run in alike if not to_text(run.get("untuned"))),
        ]
        for group, alike in groups.items()
    ]
    head = [text("cell"), text("status"), text("reason"), text("seed"), text("run")]
    return shorten(Table(text("caption_broken"), head, rows), text)


def build_other(result: StudyResult, text: Text) -> Table | None:
    """The runs in the study's folder that do not belong to it, with what differs."""
    if result.other.empty:
        return None
    rows = [[to_text(run["id"]), to_text(run["differs"])] for run in records(result.other)]
    return shorten(Table(text("caption_other"), [text("run"), text("differs")], rows), text)


def build_convergence(result: StudyResult, text: Text) -> Table | None:
    """Convergence, stability and diagnosis of each cell, from its runs' curves."""
    if "diagnosis" not in result.runs or result.runs["diagnosis"].isna().all():
        return None
    rows = []
    for cell, runs in _split_by_cell(result, result.runs[result.runs["diagnosis"].notna()]).items():
        epochs = runs["convergence_epoch"].astype(float).dropna()
        converged = f"{format_number(epochs.mean())} ({len(epochs)}/{len(runs)})" if len(epochs) else "–"
        diagnoses = [f"{text.word(name)} {count}/{len(runs)}" for name, count in Counter(runs["diagnosis"]).most_common()]
        rows.append([cell, converged, format_number(runs["stability"].astype(float).mean()), ", ".join(diagnoses)])
    head = [text("cell"), text("convergence"), text("stability"), text("diagnosis")]
    return Table(text("caption_convergence"), head, rows, frozenset({1, 2}))


def build_advice(result: StudyResult, text: Text) -> Table | None:
    """Advice for each diagnosis that a run received; None where every run is fine."""
    counts = Counter(map(str, result.runs["diagnosis"].dropna())) if "diagnosis" in result.runs else Counter()
    rows = [[text.word(name), str(count), text.advice(name)] for name, count in counts.most_common() if name in ADVICE]
    if not rows or not counts.keys() - {"fine"}:
        return None
    return Table(text("caption_advice"), [text("diagnosis"), text("runs"), text("advice_head")], rows, frozenset({1}))


def build_classes(result: StudyResult, text: Text) -> Table | None:
    """Recall and precision of each class, of the runs whose confusion matrix is drawn."""
    found = [item for item in load_cell_arrays(result, PREDICTIONS) if "confusion" in item.arrays[0]]
    selected = best_and_worst(result, found)
    class_lists = {tuple(map(str, item.arrays[0]["classes"])) for item in selected}
    if len(class_lists) != 1:  # no run has any, or there are several data sets
        return None
    rows = [[name] for name in class_lists.pop()]
    head = [text("class")]
    for item in selected:
        counts = item.arrays[0]["confusion"].astype(float)
        for key, totals in (("recall", counts.sum(1)), ("precision", counts.sum(0))):
            head.append(f"{item.cell}: {text(key)}")
            for row, hits, total in zip(rows, counts.diagonal(), totals, strict=True):
                row.append(format_metric("acc", hits / total) if total else "–")
    return shorten(Table(text("caption_classes"), head, rows, frozenset(range(1, len(head)))), text)


def build_environment(result: StudyResult, text: Text) -> Table | None:
    """The machines and versions that made the runs: each distinct value."""
    versions = [str(name) for name in result.runs if str(name).startswith(("versions.", "variables."))]
    rows = []
    for column in ("device", "processor", "instructions", "host", "hardware", "precision", *versions, "git_commit", "code"):
        if column in result.runs and (values := [name for name in dict.fromkeys(map(to_text, result.runs[column])) if name]):
            rows.append([column, ", ".join(name[:DIGITS] if column == "code" else name for name in values)])
    return Table(text("caption_environment"), [text("setting"), text("value")], rows) if rows else None
