"""What the page itself says, in English and in Korean; the words stand in templates/text.yaml."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from dlexp.analysis.judge.diagnose import ADVICE
from dlexp.analysis.report.labels import metric_label

LANGUAGES = ("en", "ko")
SECTIONS = (
    *("verdicts", "setup", "results", "learning", "rates", "inside", "errors", "costs"),
    *("environment", "broken", "other", "command"),
)
KOREAN = {
    "acc": "정확도(%)",
    "loss": "손실",
    "rmse": "평균 제곱근 오차",
    "grad_norm": "기울기 노름",
    "train": "학습",
    "val": "검증",
    "test": "테스트",
    "best": "최고",
    "convergence_epoch": "수렴 에폭",
    "stability": "손실 안정성",
    "train/seconds": "학습 시간(초)",
    "train/examples_per_s": "학습 속도(예제/초)",
    "target/seconds": "목표 도달까지의 학습 시간(초)",
    "memory.allocated": "사용된 GPU 메모리의 최댓값(MiB)",
    "memory.reserved": "확보된 GPU 메모리의 최댓값(MiB)",
    "memory.process": "프로세스 메모리의 최댓값(MiB)",
}


class Text:
    """The page's texts in one language.

    Args:
        lang: `en` or `ko`.

    Raises:
        ValueError: If it is another.
    """

    def __init__(self, lang: str) -> None:
        if lang not in LANGUAGES:
            raise ValueError(f"--lang must be one of {', '.join(LANGUAGES)}, got {lang}.")
        self.lang = lang

    def __call__(self, key: str, facts: Mapping[str, Any] | None = None, /, **more: Any) -> str:
        """A text, filled. Facts are inserted as they are: they are escaped where the page is made."""
        return _texts()[key][self.lang].format(**(facts or {}), **more)

    def metric(self, name: str) -> str:
        """What a metric is called in a sentence: `test/acc` → `test accuracy (%)`."""
        if self.lang == "en":
            return metric_label(name)
        return KOREAN.get(name) or " ".join(KOREAN.get(word, word) for word in name.split("/"))

    def caption(self, key: str, facts: Mapping[str, Any]) -> str:
        """The caption of a figure; `metrics` among its facts are called by their names."""
        metrics = ", ".join(map(self.metric, facts.get("metrics", ())))
        what = {"what": self(facts["what"])} if "what" in facts else {}
        return self(key, {**facts, **what, "metrics": metrics})

    def advice(self, diagnosis: str) -> str:
        """One line on what to do about it."""
        return ADVICE[diagnosis] if self.lang == "en" else _texts()["advice"][diagnosis]

    def word(self, key: str) -> str:
        """A status or a diagnosis in this language, or the word itself where it is not known."""
        return self(key) if key in _texts() else key


@cache
def _texts() -> dict[str, dict[str, str]]:
    return yaml.safe_load((resources.files("dlexp.analysis.report") / "templates" / "text.yaml").read_text(encoding="utf-8"))
