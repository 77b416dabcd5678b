"""The report's own text, in English and in Korean, from templates/text.yaml."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from dlexp.analysis.judge.diagnose import ADVICE
from dlexp.analysis.report.labels import metric_label

LANGUAGES = ("en", "ko")
SECTIONS = (
    *(
        "ablation",
        "verdicts",
        "setup",
        "results",
        "tuning",
        "best",
        "factors",
        "learning",
        "rates",
        "inside",
        "errors",
        "costs",
    ),
    *("environment", "broken", "other", "command"),
)


class Text:
    """The report's texts in one language.

    Args:
        lang: `en` or `ko`.
        by_draw: Whether what it describes is repeated over draws of the data, rather than over seeds alone.

    Raises:
        ValueError: If it is another language.
    """

    def __init__(self, lang: str, *, by_draw: bool = False) -> None:
        if lang not in LANGUAGES:
            raise ValueError(f"--lang must be one of {', '.join(LANGUAGES)}, got {lang}.")
        self.lang = lang
        self.units: str = load_texts()["units_draws" if by_draw else "units_seeds"][lang]

    def __call__(self, key: str, values: Mapping[str, Any] | None = None, /, **more: Any) -> str:
        """Fill a text with values. They are inserted unescaped; escaping happens where the page is rendered."""
        return load_texts()[key][self.lang].format(**{"units": self.units, **(values or {}), **more})

    def metric(self, name: str) -> str:
        """The label of a metric: `test/acc` → `test accuracy (%)`."""
        if self.lang == "en":
            return metric_label(name)
        words = load_texts()["metrics"]
        return words.get(name) or " ".join(words.get(word, word) for word in name.split("/"))

    def caption(self, key: str, values: Mapping[str, Any]) -> str:
        """The caption of a figure. `metrics` and `what` among its values are replaced by their labels, `modes` by sentences.

        `lost` among them are cells of which nothing is drawn, because no run of them has a result; a sentence names them.
        """
        metrics = ", ".join(map(self.metric, values.get("metrics", ())))
        what = {"what": self(values["what"])} if "what" in values else {}
        mode = " ".join(self(f"measured_in_{mode}") for mode in values.get("modes", ()))
        caption = self(key, {**values, **what, "metrics": metrics, "mode": mode})
        return f"{caption.rstrip()} {self('not_drawn', cells='; '.join(values['lost']))}" if values.get("lost") else caption

    def advice(self, diagnosis: str) -> str:
        """The advice for a diagnosis."""
        return ADVICE[diagnosis] if self.lang == "en" else load_texts()["advice"][diagnosis]

    def word(self, key: str) -> str:
        """A status or a diagnosis in this language, or the word itself where it is not in text.yaml."""
        return self(key) if key in load_texts() else key


@cache
def load_texts() -> dict[str, dict[str, str]]:
    """Load text.yaml: key → language → text, and the texts that only Korean takes from there."""
    return yaml.safe_load((resources.files("dlexp.analysis.report") / "templates" / "text.yaml").read_text(encoding="utf-8"))
