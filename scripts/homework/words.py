"""The sentences of the answers, chosen by outcome and filled with numbers; they are in questions.yaml."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dlexp.analysis.judge.curves import LAST, REACHED
from dlexp.analysis.judge.result import Judgement
from dlexp.analysis.judge.statistics import LEVEL


@cache
def texts() -> dict[str, Any]:
    """What questions.yaml holds: `parts`, `questions`, `sentences`, `page`, `names` and `published`."""
    return yaml.safe_load((Path(__file__).parent / "questions.yaml").read_text(encoding="utf-8"))


def say(key: str, outcome: str | None = None, /, **facts: Any) -> str:
    """A sentence, filled; of several the one for this outcome."""
    sentence = texts()["sentences"][key]
    return _filled(sentence[outcome] if outcome else sentence, facts)


def _filled(sentence: str, facts: Mapping[str, Any]) -> str:
    level, reached = (f"{100 * share:g} %" for share in (LEVEL, REACHED))
    known = {"document": texts()["published"]["document"], "level": level, "reached": reached, "last": LAST}
    return sentence.format(**{**known, **facts}).strip()


def name(option: str) -> str:
    """What an option, a data set or a layer is called in a sentence."""
    return texts()["names"].get(option, option)


def published(key: str, *path: str) -> Any:
    """A number that the document gives outside the studies' tables of reference."""
    found = texts()["published"][key]
    for step in path:
        found = found[step]
    return found


def claim(judgement: Judgement, key: str, **facts: Any) -> str:
    """Whether something that was published survives, with its number beside ours."""
    return say(f"claim_{judgement}", claim=_filled(texts()["claims"][key], facts))
