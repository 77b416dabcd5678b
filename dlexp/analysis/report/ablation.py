"""Say what each switch of a recipe is worth: a table for a paper, and sentences that name what is shown and what is not."""

from dlexp.analysis.judge.ablation import Ablation, Worth
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.judge.statistics import MAX_SEEDS, MIN_SEEDS
from dlexp.analysis.report.cards import format_amount
from dlexp.analysis.report.labels import show
from dlexp.analysis.report.tables import Table, format_metric
from dlexp.analysis.report.text import Text

DECIDED, BY_RANKS = "*", "†"
SIDES = ("above", "below", "interaction")


def name_switch(worth: Worth) -> str:
    """The settings of a switch without those of an option that it chooses: `optimizer=muon`."""
    shown = [key for key in worth.on if "." not in key or key.partition(".")[0] not in worth.on]
    return " + ".join(f"{key}={show(worth.on[key])}" for key in shown)


def build_table(result: StudyResult, text: Text) -> Table | None:
    """The worth of each switch from above and from below, and their difference; the whole recipe in the last row."""
    ablation = result.ablation
    if not ablation:
        return None
    head = [text(key) for key in ("switch", "plain_run", "from_above", "from_below", "above_below")]
    verdicts = ablation.all_verdicts
    lost = any(verdict.failed or verdict.missing for verdict in verdicts)
    head += [text("lost_runs")] if lost else []
    rows = []
    for each in ablation.worths:
        found = [getattr(each, side) for side in SIDES]
        row = [name_switch(each), ", ".join(map(show, each.plain.values())) or "–", *map(format_worth, found)]
        rows.append(row + ([_describe_lost(each, text)] if lost else []))
    rows.append([text("whole_recipe"), "", format_worth(ablation.total), "", "", *([""] if lost else [])])
    return Table(_describe_table(result, ablation, text), head, rows, frozenset((2, 3, 4)))


def _describe_table(result: StudyResult, ablation: Ablation, text: Text) -> str:
    """The caption: what the numbers are, of how many seeds, and what the marks mean."""
    pairing = "draws" if result.by_draw else "paired" if ablation.total.paired else "independent"
    counts = {verdict.n for verdict in ablation.all_verdicts}
    n = str(max(counts)) if len(counts) == 1 else f"{min(counts)}–{max(counts)}"
    values = {"metric": text.metric(ablation.metric), "n": n, "pairing": text(f"ablation_{pairing}")}
    return " ".join(
        [text("caption_ablation_ratio" if ablation.ratio else "caption_ablation", values), *_list_marks(ablation, text)]
    )


def _list_marks(ablation: Ablation, text: Text) -> list[str]:
    """What the marks in the table mean, a sentence each."""
    marks = [text("ablation_star", family=ablation.family, interactions=len(ablation.worths))]
    return marks + ([text("ablation_ranks")] if any(verdict.by_ranks for verdict in ablation.all_verdicts) else [])


def explain_marks(result: StudyResult, text: Text) -> str:
    """One paragraph for the terminal: the metric, and what the marks in the table mean."""
    if not (ablation := result.ablation):
        return ""
    few = [text("ablation_few", n=ablation.total.n, least=MIN_SEEDS)] if ablation.total.n < MIN_SEEDS else []
    return " ".join([text("ablation_unit", metric=text.metric(ablation.metric)), *(few or _list_marks(ablation, text))])


def format_worth(verdict: Verdict) -> str:
    """`+1.52 ± 0.72 *`, of a ratio `1.20 (1.10 … 1.31)`; a dash where there is no number."""
    if verdict.estimate is None:
        return "–"
    marks = " ".join([DECIDED] * (verdict.verdict != "undecided") + [BY_RANKS] * verdict.by_ranks)
    low, high, metric = verdict.low, verdict.high, verdict.metric
    if verdict.ratio:
        number = f"{verdict.estimate:.3g}" + ("" if low is None or high is None else f" ({low:.3g} … {high:.3g})")
    else:
        number = format_metric(metric, verdict.estimate, signed=True)
        number += "" if low is None or high is None else f" ± {format_metric(metric, (high - low) / 2)}"
    return f"{number} {marks}".rstrip()


def _describe_lost(worth: Worth, text: Text) -> str:
    """How many of the runs that a switch is judged by failed to learn or are missing."""
    verdict = worth.interaction  # its four cells are those of both sides
    parts = [(verdict.failed, "failed_of"), (verdict.missing, "missing_of")]
    return ", ".join(text(key, n=count, runs=verdict.planned) for count, key in parts if count)


def describe(result: StudyResult, text: Text) -> list[str]:
    """What is shown of the switches, what is not, and which settings are one switch."""
    ablation = result.ablation
    if not ablation:
        return []
    paragraphs = [" ".join(_describe_whole(ablation, text))]
    if ablation.total.n < MIN_SEEDS:
        paragraphs.append(text("ablation_few", n=ablation.total.n, least=MIN_SEEDS))
    else:
        lists = [_list_shown(ablation, side, text) for side in SIDES]
        paragraphs += [" ".join(found) for found in lists if found]
        paragraphs += _describe_need(ablation, text)
    return paragraphs + [each.joined for each in ablation.worths if each.joined]


def _describe_whole(ablation: Ablation, text: Text) -> list[str]:
    """The recipe against the plain run, beside what the worths of its switches add up to."""
    total = ablation.total
    if total.estimate is None:
        return [text("ablation_no_total")]
    low, high = (format_amount(total, value, text) for value in (total.low, total.high))
    interval = "" if total.low is None else text("ablation_interval", low=low.removesuffix(text("points")), high=high)
    sentences = [text("ablation_total", amount=format_amount(total, total.estimate, text), interval=interval)]
    above, below = ablation.add_up("above"), ablation.add_up("below")
    if above is not None and below is not None:
        sums = {"above": format_amount(total, above, text), "below": format_amount(total, below, text)}
        sentences.append(text("ablation_product" if ablation.ratio else "ablation_sum", sums))
    return sentences


def _list_shown(ablation: Ablation, side: str, text: Text) -> list[str]:
    """Which switches are shown to be better, which worse, and which are not decided, on a side or in their interaction."""
    groups: dict[str, list[str]] = {"holds": [], "fails": [], "undecided": []}
    for each in ablation.worths:
        groups[getattr(each, side).verdict].append(name_switch(each))
    return [text(f"ablation_{side}_{word}", switches="; ".join(names)) for word, names in groups.items() if names]


def _describe_need(ablation: Ablation, text: Text) -> list[str]:
    """How many seeds would decide what the switches are worth, as far as it is undecided, if an effect is declared."""
    sides = [side for each in ablation.worths for side in (each.above, each.below)]
    asked = [verdict for verdict in sides if verdict.need in ("power", "many")]
    if not asked:
        return []
    amount = format_amount(ablation.total, ablation.total.effect, text).removeprefix("+")
    key = "ablation_need_many" if any(verdict.need == "many" for verdict in asked) else "ablation_need"
    return [text(key, n=max(verdict.needed or MAX_SEEDS for verdict in asked), amount=amount)]
