"""The looks at a study in its report: the entries that its log gains, a table of them, and what weakens them."""

from collections.abc import Sequence
from dataclasses import replace

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.looks import list_decisions, read_plan
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.tables import Table
from dlexp.analysis.report.text import Text
from dlexp.run.record.look_log import add_looks
from dlexp.run.record.registrations import SHOWN_DIGITS, hash_study, show_date


def log_looks(result: StudyResult) -> StudyResult:
    """Add the present looks to the log of a result."""
    plan = read_plan(result.protocol)
    now = [
        plan.describe(look) | {"study": _hash(result), "decisions": list_decisions(result.verdicts, result.looks, look)}
        for look in result.looks
    ]
    return replace(result, log=add_looks(result.log, now))


def _hash(result: StudyResult) -> str:
    return hash_study(result.protocol["study"], result.protocol["changes"])


def build_table(result: StudyResult, text: Text) -> Table | None:
    """The log of looks; None where there is and will be only one."""
    if len(result.log) < 2 and not (result.log and read_plan(result.protocol).explicit):
        return None
    rows = []
    for entry in result.log:
        counts = [sum(found == word for found in entry["decisions"].values()) for word in ("holds", "fails", "undecided")]
        same, digits = entry["study"] == _hash(result), entry["study"][:SHOWN_DIGITS]
        kind = text("planned" if entry["planned"] else "not_planned")
        file = text("same_file" if same else "other_file", hash=digits)
        level = format_level(entry["level"])
        rows.append([str(len(entry["units"])), show_date(entry["time"]), level, kind, *map(str, counts), file])
    names = ("look_units", "look_time", "look_level", "look_kind", "holds", "fails", "undecided", "look_file")
    return Table(text("caption_looks"), [text(name) for name in names], rows, frozenset({0, 2, 4, 5, 6}))


def describe_plan(result: StudyResult, text: Text) -> list[str]:
    """What the plan of a study is, below its verdicts; nothing if it has none."""
    plan = read_plan(result.protocol)
    if not plan.explicit or not result.verdicts:
        return []
    return [text("verdicts_note_looks", looks=_join(plan.looks), bounds=text(plan.bounds))]


def list_warnings(result: StudyResult, text: Text) -> list[str]:
    """What a reader must know of the looks before the verdicts: a changed file, unplanned looks."""
    warnings = []
    plan, now = read_plan(result.protocol), _hash(result)
    others = [entry for entry in result.log if entry["study"] != now]
    if others and result.looks:
        last = others[-1]
        warnings.append(text("study_changed", n=len(last["units"]), time=show_date(last["time"])))
    if unplanned := [look.n for look in result.looks if not look.planned]:
        why = "unplanned_added" if all(map(plan.is_that_of, result.log)) else "unplanned_plan"
        warnings.append(text("unplanned_looks", looks=_join(unplanned), why=text(why)))
    return warnings


def describe_look(verdict: Verdict, result: StudyResult, text: Text) -> list[str]:
    """The line of a card on the look that a verdict is from; nothing where there is and will be only one."""
    look, looks, plan = verdict.look, result.looks, read_plan(result.protocol)
    if look is None:
        return [text("look_ahead", n=plan.looks[0])] if plan.explicit else []
    if not look.planned:
        return [text("look_unplanned", n=look.n, level=format_level(look.level), number=looks.index(look) + 1)]
    if not plan.explicit or look.n not in plan.looks:
        return [text("look_first", n=look.n)] if len(looks) > 1 else []
    key = "look_decided" if verdict.verdict != "undecided" else "look_last" if look.n == plan.looks[-1] else "look_next"
    coming = min((n for n in plan.looks if n > look.n), default=look.n)
    return [text(key, n=look.n, level=format_level(look.level), looks=_join(plan.looks), next=coming)]


def format_level(level: float) -> str:
    """The level of a look: three digits."""
    return f"{level:.3g}"


def _join(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
