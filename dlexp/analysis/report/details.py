"""The tables behind the results: curves in numbers, classes, costs, environment, and the runs that are not in the means."""

from collections import Counter

from dlexp.analysis.judge.diagnose import ADVICE
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import name_of, named, records, varying_keys
from dlexp.analysis.report.figures.arrays import best_and_worst, kept
from dlexp.analysis.report.labels import show
from dlexp.analysis.report.tables import Table, as_text, distinct, number, plain, shortened
from dlexp.analysis.report.text import Text

BROKEN = ("failed", "oom", "interrupted", "missing", "diverged")


def costs(result: StudyResult, text: Text) -> Table | None:
    """Seconds, compilation, parameters, steps and memory of each cell, where they were recorded."""
    finished = result.runs[~result.runs["status"].isin(["missing", "failed", "oom", "interrupted"])]
    columns = [("seconds", "seconds", 1.0)]
    if "seconds.compile" in finished and finished["seconds.compile"].gt(0).any():
        columns.append(("seconds.compile", "compilation", 1.0))
    columns += [("num_steps", "steps", 1.0), ("num_parameters", "parameters", 1.0)]
    columns += [(f"memory.{kind}", f"memory_{kind}", 2**-20) for kind in ("process", "allocated", "reserved")]
    columns = [item for item in columns if item[0] in finished and finished[item[0]].notna().any()]
    if not columns:
        return None
    keys = varying_keys(result)
    frame = named(finished, keys)
    rows = []
    for cell in (name_of(row, keys) for row in records(result.cells)):
        mine = frame[frame["cell"] == cell]
        if len(mine):
            rows.append([cell, *(plain((mine[column].astype(float) * scale).mean()) for column, _, scale in columns)])
    head = [text("cell"), *(text(label) for _, label, _ in columns)]
    return Table(text("caption_costs"), head, rows, frozenset(range(1, len(head))))


def broken(result: StudyResult, text: Text) -> Table | None:
    """The runs that are missing, failed or diverged, with their reasons: a row for all of a cell that have the same."""
    rows = result.runs[result.runs["status"].isin(BROKEN)]
    if rows.empty:
        return None
    keys = varying_keys(result)
    groups: dict[tuple[str, str, str], list[list[str]]] = {}
    for row in records(rows):
        told = name_of(row, keys), text.word(row["status"]), as_text(row.get("reason"))
        groups.setdefault(told, []).append([show(row["seed"]), as_text(row["id"])])
    lines = []
    for (cell, status, reason), runs in groups.items():
        seeds, ids = (", ".join(column) for column in zip(*runs, strict=True))
        lines.append([cell, status, reason, seeds, ids])
    head = [text("cell"), text("status"), text("reason"), text("seed"), text("run")]
    return shortened(Table(text("caption_broken"), head, lines), text)


def other(result: StudyResult, text: Text) -> Table | None:
    """The runs that lie in the study's folder but do not belong to it, with what differs."""
    if result.other.empty:
        return None
    rows = [[as_text(row["id"]), as_text(row["differs"])] for row in records(result.other)]
    return shortened(Table(text("caption_other"), [text("run"), text("differs")], rows), text)


def measures(result: StudyResult, text: Text) -> Table | None:
    """Convergence, stability and diagnosis of each cell, from its runs' curves."""
    if "diagnosis" not in result.runs or result.runs["diagnosis"].isna().all():
        return None
    keys = varying_keys(result)
    frame = named(result.runs, keys)
    rows = []
    for cell in (name_of(row, keys) for row in records(result.cells)):
        mine = frame[(frame["cell"] == cell) & frame["diagnosis"].notna()]
        if mine.empty:
            continue
        reached = mine["convergence_epoch"].astype(float).dropna()
        converged = f"{plain(reached.mean())} ({len(reached)}/{len(mine)})" if len(reached) else "–"
        words = [f"{text.word(name)} {count}/{len(mine)}" for name, count in Counter(mine["diagnosis"]).most_common()]
        rows.append([cell, converged, plain(mine["stability"].astype(float).mean()), ", ".join(words)])
    head = [text("cell"), text("convergence"), text("stability"), text("diagnosis")]
    return Table(text("caption_measures"), head, rows, frozenset({1, 2}))


def advice(result: StudyResult, text: Text) -> Table | None:
    """What to do about each diagnosis that the runs got."""
    if "diagnosis" not in result.runs:
        return None
    found = Counter(map(str, result.runs["diagnosis"].dropna()))
    if not found.keys() - {"fine"}:
        return None
    rows = [[text.word(name), str(count), text.advice(name)] for name, count in found.most_common() if name in ADVICE]
    return (
        Table(text("caption_advice"), [text("diagnosis"), text("runs"), text("advice_head")], rows, frozenset({1}))
        if rows
        else None
    )


def per_class(result: StudyResult, text: Text) -> Table | None:
    """Recall and precision of each class, of the runs whose confusion matrix is shown."""
    some = best_and_worst(result, [item for item in kept(result, "predictions") if "confusion" in item.arrays[0]])
    lists = {tuple(map(str, item.arrays[0]["classes"])) for item in some}
    if len(lists) != 1:  # none, or several data sets
        return None
    rows = [[name] for name in lists.pop()]
    head = [text("class")]
    for item in some:
        counts = item.arrays[0]["confusion"].astype(float)
        hits = counts.diagonal()
        for key, total in (("recall", counts.sum(1)), ("precision", counts.sum(0))):
            head.append(f"{item.cell}: {text(key)}")
            for row, hit, of in zip(rows, hits, total, strict=True):
                row.append(number("acc", hit / of) if of else "–")
    return shortened(Table(text("caption_classes"), head, rows, frozenset(range(1, len(head)))), text)


def environment(result: StudyResult, text: Text) -> Table | None:
    """On what the runs were made: each distinct value."""
    versions = [str(name) for name in result.runs if str(name).startswith("versions.")]
    rows = distinct(result.runs, ["device", "host", "hardware", "precision", *versions, "git_commit", "code"])
    return Table(text("caption_environment"), [text("setting"), text("value")], rows) if rows else None
