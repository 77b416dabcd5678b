"""questions.md: the sheet's questions in its order, with what the runs at hand answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlexp.analysis.report.write import markdown_environment

from . import activations, general, loss, optimizers
from .evidence import Evidence, Finding, NotRunError
from .words import say, texts

FINDINGS: Mapping[str, Sequence[Finding]] = {
    **general.FINDINGS,
    **loss.FINDINGS,
    **activations.FINDINGS,
    **optimizers.FINDINGS,
}
STUDIES = (activations.STUDY, activations.PUBLISHED, loss.STUDY, optimizers.STUDY)
COMMAND = "python scripts/questions.py"


@dataclass(frozen=True)
class Link:
    """A file beside the page that shows what a sentence says."""

    label: str
    path: str


@dataclass(frozen=True)
class Answer:
    """One question and what the runs say; `not_run` holds the commands that would say more."""

    number: str
    asks: str
    sentences: list[str]
    not_run: list[str]
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """Where a study's numbers come from."""

    study: str
    runs: str
    device: str
    code: str


def answers(evidence: Evidence, shelf: Path) -> dict[str, list[Answer]]:
    """Part of the sheet → its questions, answered. Links lead to files that lie on the shelf."""
    found: dict[str, list[Answer]] = {}
    for part, questions in texts()["questions"].items():
        for place, (key, question) in enumerate(questions.items(), 1):
            sentences, not_run = [], []
            for finding in FINDINGS[key]:
                try:
                    sentences.append(finding(evidence))
                except NotRunError as error:
                    not_run.append(error.command)
            links = [link for shown in question["shown"] for link in _links(shelf, shown)]
            said = Answer(f"{part} {place}", question["asks"], sentences, list(dict.fromkeys(not_run)), links)
            found.setdefault(part, []).append(said)
    return found


def _links(shelf: Path, pattern: str) -> list[Link]:
    paths = sorted(path.relative_to(shelf) for path in shelf.glob(pattern))
    return [Link(f"{path.parts[0]}: {path.stem}", path.as_posix()) for path in paths]


def sources(evidence: Evidence) -> list[Source]:
    """The runs that answers were made of: how many, on what, made by which code."""
    rows = []
    for study in STUDIES:
        for result in evidence.used.get(study, ()):
            runs = result.runs[result.runs["status"].isin(["done", "early_stopped", "diverged"])]
            devices = ", ".join(dict.fromkeys(runs["device"].dropna())) if "device" in runs else ""
            kind = say("source", "folders" if len(result.curves) else "sheet", runs=len(runs), planned=len(result.runs))
            rows.append(Source(study, kind, devices, ", ".join(code[:8] for code in result.codes)))
    return rows


def markdown(evidence: Evidence, shelf: Path) -> str:
    """The page as Markdown."""
    page = markdown_environment().from_string((Path(__file__).parent / "questions.md.j2").read_text(encoding="utf-8"))
    facts = {"parts": texts()["parts"], "page": texts()["page"], "title": say("title"), "intro": say("intro")}
    found = answers(evidence, shelf)
    written = page.render(answers=found, sources=sources(evidence), command=COMMAND, **facts)
    return re.sub(r"\n{3,}", "\n\n", written).strip() + "\n"
