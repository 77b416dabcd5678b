"""Write the page of one run, report.html in its folder, from the files there alone."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dlexp.analysis.judge.planned import analyse_curve
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.figures import make_picture, predictions, probes
from dlexp.analysis.report.figures.style import DrawnFigure, drawing
from dlexp.analysis.report.one_run import figures, tables
from dlexp.analysis.report.one_run.content import RunContent, as_study, collect_damage, read_run_content
from dlexp.analysis.report.page import Folded, Page, Section, embed
from dlexp.analysis.report.tables import Table, format_number
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import render_html
from dlexp.machine.files import write_whole
from dlexp.run.record.layout import find_wrong_target

MAX_TITLE = 300  # characters
# What a file can raise that is well-formed and holds something else than training writes.
UNEXPECTED = (ArithmeticError, LookupError, TypeError, ValueError)


def build_run_report(folder: Path, language: str = "en") -> Path:
    """Write the page of a run into its folder, whether it is finished, failed, or was interrupted.

    Args:
        folder: The run's folder. What is missing or damaged in it is named on the page.
        language: Language of the page's own text: `en` or `ko`.

    Returns:
        The path of report.html.

    Raises:
        OSError: If there is no such folder, if it is a link to another one, or if it is not writable.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder.")
    if find_wrong_target(folder):
        raise NotADirectoryError(f"{folder} is a link to something else than a folder of this run.")
    page = make_run_page(read_run_content(folder), Text(language))
    return write_whole(folder / "report.html", render_html(page))


def make_run_page(content: RunContent, text: Text) -> Page:
    """Arrange what is known of a run on a page; empty sections are left out."""
    return _PageMaker(content, text).make()


class _PageMaker:
    """Makes the sections of the page, and collects the names of files that cannot be shown."""

    def __init__(self, content: RunContent, text: Text) -> None:
        self.content, self.text = content, text
        self.problems = list(content.problems)

    def make(self) -> Page:
        content, text = self.content, self.text
        classified = content.predictions if "classes" in content.predictions else None
        sections = [
            self._section("learning", pictures=self._draw("metrics.csv", self._draw_learning)),
            self._section("diagnosis_run", paragraphs=self._try("metrics.csv", self._diagnose)),
            *(self._list_class_sections() if classified else []),
            self._section(
                "predictions",
                paragraphs=[text("no_errors")] if classified and not len(classified.get("worst", [0])) else [],
                pictures=self._draw("arrays/predictions.npz", self._draw_predictions),
            ),
            self._section("examples", tables=self._try("arrays/predictions.npz", self._build_examples)),
            self._section("inside_run", pictures=self._draw_probes()),
            self._section(
                "settings",
                paragraphs=[text("all_default")] if content.overrides == [] else [],
                tables=[tables.build_overrides(content, text)],
                folded=Folded(text("whole_config"), content.config_text) if content.config_text else None,
            ),
            self._section("costs", tables=self._try("summary.json", lambda: tables.build_costs(content, text))),
            self._section("environment", tables=[tables.build_record(content, text)]),
        ]
        shown = [item for item in sections if item.paragraphs or item.tables or item.pictures or item.folded]
        title = " ".join(content.overrides or content.typed) or content.slug or content.run.id
        title = title if len(title) <= MAX_TITLE else f"{title[:MAX_TITLE]} …"
        facts = self._try("summary.json", partial(tables.list_facts, content, text))
        name = text("run_of", id=content.run.id)
        return Page(text.lang, name, title, "", text("run_made_by"), self._list_warnings(), shown, facts)

    def _section(self, name: str, tables: Iterable[Table | None] = (), **more: Any) -> Section:
        return Section(name, self.text(name), tables=[table for table in tables if table], **more)

    def _try(self, file: str, make: Callable[[], list[Any]]) -> list[Any]:
        """What `make` returns; nothing, and a problem more, if the file has another content than training writes."""
        try:
            with collect_damage(self.content.run.path, self.problems):
                return make()
        except UNEXPECTED as error:
            self.problems.append(f"{file} is not what training writes: {type(error).__name__} {str(error)[:MAX_TITLE]}")
            return []

    def _draw(self, file: str, draw: Callable[[], Iterator[DrawnFigure]]) -> list[dict[str, Any]]:
        def render() -> list[dict[str, Any]]:
            with drawing():
                return [embed(make_picture("", drawn), self.text) for drawn in draw()]

        return self._try(file, render)

    def _draw_learning(self) -> Iterator[DrawnFigure]:
        restored, best = self.content.run.summary.get("restored_epoch"), self.content.run.metrics.get("best/epoch")
        known = [("restored epoch", restored), ("best epoch", best)]
        marked = next(((label, int(epoch)) for label, epoch in known if epoch is not None and epoch == epoch), None)
        yield from figures.draw_learning_curve(self.content.curve, marked) if len(self.content.curve) else ()

    def _diagnose(self) -> list[str]:
        content, text = self.content, self.text
        if not content.is_finished:
            return [text("not_diagnosed")]
        if not len(content.curve):
            return []
        recorded = {name: content.run.summary.get(name) for name in ("chance", "num_test_examples")}
        found = analyse_curve(content.curve, recorded | {"status": content.run.status})
        lines = [text("diagnosed", name=text.word(found["diagnosis"]), advice=text.advice(found["diagnosis"]))]
        if found["diagnosed_epoch"]:
            lines.append(text("lowest_loss", epoch=found["diagnosed_epoch"]))
        if found["convergence_epoch"]:
            lines.append(text("converged", epoch=found["convergence_epoch"]))
        if found["stability"] is not None:
            lines.append(text("stable", value=format_number(found["stability"])))
        return [*lines, text("caption_advice")]

    def _list_class_sections(self) -> list[Section]:
        arrays, text, file = self.content.predictions, self.text, "arrays/predictions.npz"
        pairs = self._try(file, lambda: [tables.build_pairs(arrays, text)])
        pictures = self._draw(file, lambda: figures.draw_confusion(arrays))
        classes = self._try(file, lambda: [tables.build_classes(arrays, text)])
        return [
            self._section("confusions", pictures=pictures),
            self._section("pairs", pairs),
            self._section("classes", classes),
        ]

    def _build_examples(self) -> list[Table]:
        return tables.build_examples(self.content.predictions, self.text) if self.content.predictions else []

    def _draw_predictions(self) -> Iterator[DrawnFigure]:
        arrays = self.content.predictions
        if arrays and "classes" not in arrays:
            yield from figures.draw_regression(arrays)
        yield from figures.draw_examples(arrays)

    def _draw_probes(self) -> list[dict[str, Any]]:
        """What the probes measured, each picture with the caption of a single run."""
        study, found = as_study(self.content), list[dict[str, Any]]()
        for file, draw in (
            ("arrays/decision_boundary", predictions.draw_decision_boundaries),
            ("probes.csv", probes.draw_layer_heat_maps),
            ("arrays/activation_stats", probes.draw_activation_histograms),
            ("probes.csv", probes.draw_gradient_flow),
        ):
            found += self._draw(file, partial(_draw_for_one_run, draw, study))
        return found + self._draw("probes.csv", lambda: figures.draw_measurements(self.content.probes))

    def _list_warnings(self) -> list[str]:
        run, text = self.content.run, self.text
        sentences = [text("run_reason", status=text.word(run.status), reason=run.reason[:MAX_TITLE])] if run.reason else []
        if np.isnan(run.metrics.get("test/loss", 0.0)):
            sentences.append(text("run_not_tested"))
        if run.status == "interrupted":
            sentences.append(text("run_interrupted"))
        if run.summary.get("selected_on_test"):
            sentences.append(text("run_selected_on_test"))
        return sentences + [text("run_problem", problem=problem) for problem in dict.fromkeys(self.problems)]


def _draw_for_one_run(draw: Callable[[StudyResult], Iterator[DrawnFigure]], study: StudyResult) -> Iterator[DrawnFigure]:
    return (drawn.for_one_run() for drawn in draw(study))
