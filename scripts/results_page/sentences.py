"""Write what a page of many studies says of one: a sentence for each verdict, and where the runs come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from dlexp.analysis.judge.cells import FINISHED
from dlexp.analysis.judge.drawn import describe_draws
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.code import DIGITS
from dlexp.analysis.report.cards import describe_estimate, list_dependences
from dlexp.analysis.report.tables import to_text
from dlexp.analysis.report.text import Text

NOT_JUDGED = ("no_cells", "no_runs", "no_common_seed")


@dataclass(frozen=True)
class Sentence:
    """A verdict as a word, and the claim with the numbers that decide it."""

    word: str
    text: str


def write_sentence(verdict: Verdict, study_metric: str, text: Text) -> Sentence:
    """Write the claim, the difference, and the reason from the verdict's card, without its sentence on draws of the data.

    Args:
        verdict: A verdict that is judged, or left undecided, by runs.
        study_metric: The metric of the study; another one is named.
        text: The texts of reports.
    """
    metric = "" if verdict.metric == study_metric else f" ({text.metric(verdict.metric)})"
    estimate = "" if verdict.estimate is None else f": {describe_estimate(verdict, text)}"
    reason = verdict.reason.removesuffix(describe_draws(verdict)).rstrip()
    claim = f"{verdict.claim.rstrip('.')}{metric}{estimate}."
    return Sentence(text(verdict.verdict), " ".join([claim, reason, *list_dependences(verdict, text)]))


def list_sentences(result: StudyResult, text: Text) -> list[Sentence]:
    """A sentence for each prediction of a study that its runs can judge."""
    metric = result.protocol["study"]["metric"]
    return [write_sentence(verdict, metric, text) for verdict in result.verdicts if verdict.cause not in NOT_JUDGED]


def list_not_judged(result: StudyResult) -> list[str]:
    """The claims that cannot be judged, because their runs are missing, or none of them can be used."""
    return [verdict.claim.rstrip(".") for verdict in result.verdicts if verdict.cause in NOT_JUDGED]


def describe_common_draws(verdicts: Sequence[Verdict]) -> str:
    """The sentence on the draws of the data, of all verdicts that are judged; one for each number of draws."""
    judged = (verdict for verdict in verdicts if verdict.cause not in NOT_JUDGED)
    return " ".join(dict.fromkeys(filter(None, map(describe_draws, judged))))


def describe_origin(runs: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Say where the numbers come from, such as `Data: moons, circles. Date: 2026-11-28. Code: 0b8900a1.`.

    Args:
        runs: A study's table of runs. Only finished ones count.
        labels: Column → its label, in the order of the sentence; a column without values is left out. Of `started` the days
            (UTC) are named, the first and the last, and of `code` the first digits.
    """
    finished = runs[runs["status"].isin(FINISHED)]
    parts = []
    for column, label in labels.items():
        values = list(dict.fromkeys(filter(None, map(to_text, finished[column])))) if column in finished else []
        if column == "started":
            days = sorted(value[:10] for value in values)
            values = [" to ".join(dict.fromkeys([days[0], days[-1]]))] if days else []
        elif column == "code":
            values = [value[:DIGITS] for value in values]
        parts += [f"{label}: {', '.join(values)}."] if values else []
    return " ".join(parts)
