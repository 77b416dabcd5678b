"""The sentences of the answers, chosen by outcome and filled with values; questions.yaml holds them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dlexp.analysis.judge.curves import CONVERGED_SHARE, LAST_EPOCHS
from dlexp.analysis.judge.judgement import Judgement
from dlexp.analysis.judge.statistics import LEVEL


@cache
def load_texts() -> dict[str, Any]:
    """Load questions.yaml: `parts`, `questions`, `sentences`, `claims`, `page`, `names` and `published`."""
    return yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text(encoding="utf-8"))


def say(key: str, outcome: str | None = None, /, **values: Any) -> str:
    """Fill a sentence with values; `dataset` is replaced by its name. Some sentences differ by outcome."""
    sentence = load_texts()["sentences"][key]
    return _fill(sentence[outcome] if outcome else sentence, values)


def _fill(sentence: str, values: Mapping[str, Any]) -> str:
    level, reached = (f"{100 * share:g} %" for share in (LEVEL, CONVERGED_SHARE))
    known = {"document": load_texts()["published"]["document"], "level": level, "reached": reached, "last": LAST_EPOCHS}
    if "dataset" in values:
        known["dataset"] = display_name(values["dataset"])
    return sentence.format(**{**values, **known}).strip()


def display_name(option: str) -> str:
    """The name of an option or a data set in a sentence."""
    return load_texts()["names"].get(option, option)


def document_value(key: str, *path: str) -> Any:
    """A number that the document gives, and that is not in the `reference` of a study."""
    value = load_texts()["published"][key]
    for step in path:
        value = value[step]
    return value


def judge_claim(judgement: Judgement, key: str, **values: Any) -> str:
    """Say whether a published claim survives, with the published number and ours."""
    return say(f"claim_{judgement}", claim=_fill(load_texts()["claims"][key], values))
