"""Render docs/results.md: the reference studies in the order of results.yaml, each from its analysis."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dlexp.analysis import analyse
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.best import describe_comparison
from dlexp.analysis.report.page import describe_counts
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import markdown_environment, tidy_markdown

from .sentences import NOT_JUDGED, Sentence, describe_common_draws, describe_origin, list_not_judged, list_sentences

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Study:
    """What the page says of one study.

    Args:
        name: Of the study.
        question: That it asks.
        report: Link to its report.
        basis: On which runs it rests.
        sentences: One for each verdict.
        not_judged: Claims that lack runs.
        best: Which cells may be the best, a sentence for each data set.
        figure: Link to a figure; empty if none is shown.
    """

    name: str
    question: str
    report: str
    basis: str
    sentences: list[Sentence]
    not_judged: list[str]
    best: list[str]
    figure: str


@dataclass(frozen=True)
class Group:
    """Studies under one heading."""

    title: str
    text: str
    studies: list[Study]


@cache
def load_texts() -> dict[str, Any]:
    """Load results.yaml: the words of the page, and the `groups` of studies in their order."""
    return yaml.safe_load((HERE / "results.yaml").read_text(encoding="utf-8"))


def find_studies(reference: Path) -> dict[str, list[Path]]:
    """The folders of each study: its own protocol, and then those with changes, in `with-.../`."""
    folders = sorted(path.parent for pattern in ("*", "*/with-*") for path in reference.glob(f"{pattern}/protocol.json"))
    found: dict[str, list[Path]] = {}
    for folder in folders:
        found.setdefault(folder.relative_to(reference).parts[0], []).append(folder)
    return found


def describe_study(result: StudyResult, page_folder: Path, shown: Mapping[str, Any]) -> Study:
    """Describe one study.

    Args:
        result: Its analysis.
        page_folder: The folder of the page, from which links lead.
        shown: What is shown beside the verdicts: `best`, and the name of a `figure`.
    """
    text, study = Text("en", by_draw=result.by_draw), result.protocol["study"]
    marked = mark_absent(result)
    figures = [result.folder / "figures" / f"{shown[key]}.png" for key in ("figure",) if key in shown]
    return Study(
        study["name"],
        study["question"],
        _link(result.folder / "report.md", page_folder),
        " ".join(_describe_basis(result, text)),
        list_sentences(result, text),
        list_not_judged(result),
        [describe_comparison(marked, each, text) for each in marked.comparisons if shown.get("best") and not each.refusal],
        next((_link(path, page_folder) for path in figures if path.exists()), ""),
    )


def _describe_basis(result: StudyResult, text: Text) -> list[str]:
    """Sentences on the runs of a study: how many, on how many draws of the data, the metric, their origin, and changes."""
    study, changes, texts = result.protocol["study"], result.protocol["changes"], load_texts()
    sentences = [describe_counts(result, text), describe_common_draws(result.verdicts)]
    sentences.append(texts["metric"].format(metric=text.metric(study["metric"])))
    sentences.append(describe_origin(result.runs, texts["origin"]))
    sentences += [text("changed", changes=", ".join(changes))] if changes else []
    return [sentence for sentence in sentences if sentence]


def _link(path: Path, page_folder: Path) -> str:
    return Path(os.path.relpath(path, page_folder)).as_posix()


def arrange_groups(folders: Mapping[str, Sequence[Path]], page_folder: Path) -> tuple[list[Group], list[StudyResult]]:
    """Analyse the studies in the order of results.yaml, and those that it does not list at the end. Empty groups are left out.

    Returns:
        The groups, and all analyses.
    """
    texts, groups, results = load_texts(), [], []
    listed = {name for group in texts["groups"] for name in group["studies"]}
    rest = {"title": texts["others"], "studies": {name: {} for name in folders if name not in listed}}
    for group in [*texts["groups"], rest]:
        studies = []
        for name, shown in group["studies"].items():
            for folder in folders.get(name, ()):
                results.append(analyse(folder))
                studies.append(describe_study(results[-1], page_folder, shown))
        groups += [Group(group["title"], group.get("text", ""), studies)] if studies else []
    return groups, results


def count_verdicts(results: Sequence[StudyResult]) -> str:
    """How many predictions hold, fail and are undecided."""
    verdicts = [verdict for result in results for verdict in result.verdicts]
    counts = {word: sum(verdict.verdict == word for verdict in verdicts) for word in ("holds", "fails", "undecided")}
    not_judged = sum(verdict.cause in NOT_JUDGED for verdict in verdicts)
    return load_texts()["count"].format(verdicts=len(verdicts), reports=len(results), not_judged=not_judged, **counts)


def render_groups(groups: Sequence[Group], count: str) -> str:
    """Render the page as Markdown."""
    template = markdown_environment().from_string((HERE / "results.md.j2").read_text(encoding="utf-8"))
    return tidy_markdown(template.render(groups=groups, count=count, texts=load_texts()))


def render_page(reference: Path, page_folder: Path) -> str:
    """Analyse all studies below a folder, and render the page."""
    groups, results = arrange_groups(find_studies(reference), page_folder)
    return render_groups(groups, count_verdicts(results))
