"""Say in a verdict that cells of its prediction were not run, because their search has not chosen settings for them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.verdict import select

SENTENCES = {
    "unfinished": "The search has not ended for {cells}.",
    "unusable": "The search found no trial that learns for {cells}, so there is nothing to compare.",
}


def list_untuned(prediction: Mapping[str, Any], planned: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The cells of a prediction that have no settings yet: why (`untuned` of their runs) → their names.

    Args:
        prediction: A prediction of the study.
        planned: The runs that the protocol lists.
    """
    lacking = {json.dumps(run["cell"]): run for run in planned if "untuned" in run}.values()
    cells, found = [run["cell"] for run in lacking], [run["untuned"] for run in lacking]
    where = prediction.get("where") or {}
    places = sorted({i for side in ("plus", "minus") for i in select(cells, prediction[side], where)})
    names = {why: [_name(cells[i]) for i in places if found[i] == why] for why in SENTENCES}
    return {why: listed for why, listed in names.items() if listed}


def _name(cell: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in cell.items())


def explain_untuned(
    verdicts: Sequence[Verdict], predictions: Sequence[Mapping[str, Any]], planned: Sequence[Mapping[str, Any]]
) -> list[Verdict]:
    """The verdicts, whose reasons name the cells that have no settings yet."""
    explained = []
    for verdict, prediction in zip(verdicts, predictions, strict=True):
        sentences = [SENTENCES[why].format(cells="; ".join(cells)) for why, cells in list_untuned(prediction, planned).items()]
        explained.append(replace(verdict, reason=" ".join([verdict.reason, *sentences])))
    return explained
