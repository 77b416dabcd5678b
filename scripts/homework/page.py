"""Render questions.md: the sheet's questions in its order, with the answers that the runs give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlexp.analysis.judge.cells import FINISHED
from dlexp.analysis.report.write import markdown_environment, tidy_markdown

from . import activations, general, loss, optimizers
from .compare import Draft, Finding, judge_family
from .evidence import Evidence, NotRunError
from .words import load_texts, say

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
    """A figure or report next to the page, with the evidence for an answer."""

    label: str
    path: str


@dataclass(frozen=True)
class Answer:
    """One question and its answer.

    `not_run` holds the commands of the runs that are missing, and `lacking`, by their commands, what is missing of runs of
    which only the table is there: `curves` or `probes`. `num_comparisons` is the size of the family of Holm's correction.
    """

    number: str
    question: str
    sentences: list[str]
    not_run: list[str]
    num_comparisons: int
    lacking: dict[str, str] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """The origin of a study's numbers."""

    study: str
    runs: str
    draws: str
    device: str
    code: str


def answer_questions(evidence: Evidence, folder: Path) -> dict[str, list[Answer]]:
    """Answer the questions: part of the sheet → answers. Their links lead to files in the folder."""
    found: dict[str, list[Answer]] = {}
    for part, questions in load_texts()["questions"].items():
        for place, (key, question) in enumerate(questions.items(), 1):
            drafts, not_run, lacking = _draft(evidence, FINDINGS[key])
            num_comparisons = sum(finding.num_comparisons for finding in FINDINGS[key])
            sentences = _decide(drafts, num_comparisons)
            links = [link for pattern in question["evidence"] for link in _find_links(folder, pattern)]
            answer = Answer(f"{part} {place}", question["question"], sentences, not_run, num_comparisons, lacking, links)
            found.setdefault(part, []).append(answer)
    return found


def _draft(evidence: Evidence, findings: Sequence[Finding]) -> tuple[list[Draft], list[str], dict[str, str]]:
    """Read what the findings need: their drafts, and the commands of what is missing, as in `Answer`."""
    drafts: list[Draft] = []
    not_run: dict[str, None] = {}
    lacking: dict[str, str] = {}
    for finding in findings:
        try:
            drafts.append(finding.draft(evidence))
        except NotRunError as error:
            if error.lacks:
                lacking[error.command] = error.lacks
            else:
                not_run[error.command] = None
    return drafts, list(not_run), lacking


def _decide(drafts: Sequence[Draft], planned: int) -> list[str]:
    """Judge all comparisons of a question as one family, and write its sentences."""
    verdicts = iter(judge_family([comparison for draft in drafts for comparison in draft.comparisons], planned))
    return [draft.write(*(next(verdicts) for _ in draft.comparisons)) for draft in drafts]


def _find_links(folder: Path, pattern: str) -> list[Link]:
    paths = sorted(path.relative_to(folder) for path in folder.glob(pattern))
    return [Link(f"{path.parts[0]}: {path.stem}", path.as_posix()) for path in paths]


def list_sources(evidence: Evidence) -> list[Source]:
    """The runs that the answers use: how many, their devices and the code that made them."""
    rows = []
    for study in STUDIES:
        for result in evidence.used.get(study, ()):
            runs = result.runs[result.runs["status"].isin(FINISHED)]
            devices = ", ".join(dict.fromkeys(runs["device"].dropna())) if "device" in runs else ""
            kind = say("source", "folders" if len(result.curves) else "sheet", runs=len(runs), planned=len(result.runs))
            draws = str(runs["data_seed"].nunique()) if "data_seed" in runs else ""
            rows.append(Source(study, kind, draws, devices, ", ".join(code[:8] for code in result.codes)))
    return rows


def render_markdown(evidence: Evidence, folder: Path) -> str:
    """Render the page as Markdown."""
    template = markdown_environment().from_string((Path(__file__).parent / "questions.md.j2").read_text(encoding="utf-8"))
    texts = {"parts": load_texts()["parts"], "page": load_texts()["page"], "title": say("title"), "intro": say("intro")}
    answers = answer_questions(evidence, folder)
    texts["corrected"] = {
        answer.num_comparisons: say("corrected", "one" if answer.num_comparisons == 1 else "many", n=answer.num_comparisons)
        for part in answers.values()
        for answer in part
    }
    return tidy_markdown(template.render(answers=answers, sources=list_sources(evidence), command=COMMAND, **texts))
