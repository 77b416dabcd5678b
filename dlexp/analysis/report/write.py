"""Write the report of a study: report.html, report.md, runs.csv and figures, from its run folders alone."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dlexp.analysis import analyse
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.runs_csv import write_runs
from dlexp.analysis.report.figures import Picture, draw
from dlexp.analysis.report.page import Page, make_page
from dlexp.analysis.report.replace import check_knows_no_less
from dlexp.analysis.report.text import Text
from dlexp.machine.files import replacing, write_whole


def build_report(folder: Path, lang: str = "en", *, replace: bool = False) -> Path:
    """Analyse a study and write its report into the folder that holds its protocol.json.

    Args:
        folder: `outputs/<study>`, or `outputs/<study>/with-<changes>`.
        lang: Language of the report's own text: `en` or `ko`.
        replace: Whether to replace a report that knows more.

    Returns:
        The path of report.html.

    Raises:
        LessKnownError: If the report there knows more, and is not to be replaced.
        FileNotFoundError: If there is no protocol.json: the study was never started.
    """
    text = Text(lang)
    return write_report(analyse(folder), text, replace=replace)


def write_report(result: StudyResult, text: Text, *, replace: bool = False) -> Path:
    """Draw the figures and write the page, each file whole. Figures of an earlier report that are not drawn are removed.

    All is drawn before anything is replaced. report.md, which displays the files in figures/, is removed before they change;
    report.html holds its own figures.
    """
    figures = result.folder / "figures"
    pictures = list(draw(result))
    if not replace:
        check_knows_no_less(result, [picture.name for picture in pictures])
    page = make_page(result, pictures, text)
    markdown, html = render_markdown(page), render_html(page)
    figures.mkdir(parents=True, exist_ok=True)
    (result.folder / "report.md").unlink(missing_ok=True)
    for picture in pictures:
        _save(picture, figures)
    if len(result.curves):  # without run folders their figures cannot be drawn again, so they stay
        for path in (*figures.glob("*.png"), *figures.glob("*.svg")):
            if path.stem not in {picture.name for picture in pictures}:
                path.unlink()
    with replacing(result.folder / "runs.csv") as temporary:
        write_runs(result.runs, temporary)
    write_whole(result.folder / "report.md", markdown)
    return write_whole(result.folder / "report.html", html)


def _save(picture: Picture, folder: Path) -> None:
    write_whole(folder / f"{picture.name}.png", picture.png)
    write_whole(folder / f"{picture.name}.svg", picture.svg)


def render_html(page: Page) -> str:
    """Render the page as one self-contained file; all text from configs and runs is escaped."""
    return _make_environment(autoescape=True).get_template("report.html.j2").render(page=page)


def render_markdown(page: Page) -> str:
    """Render the page as Markdown, with its figures in figures/."""
    return tidy_markdown(markdown_environment().get_template("report.md.j2").render(page=page))


def tidy_markdown(text: str) -> str:
    """Reduce repeated blank lines to one, and end with a single newline."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def markdown_environment() -> Environment:
    """The environment of Markdown templates: inserted text is escaped, unless its filter is `literal` or `fenced`."""
    environment = _make_environment(autoescape=False, finalize=_escape)
    environment.filters |= {"literal": _Literal, "fenced": _fence}
    return environment


def _make_environment(**settings: Any) -> Environment:
    loader = PackageLoader("dlexp.analysis.report", "templates")
    return Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **settings)  # noqa: S701


class _Literal(str):
    """Text from the template itself, which is not escaped."""


def _escape(value: Any) -> str:
    """Escape text so that Markdown displays it literally: no markup, link, table column or new line comes from it."""
    if isinstance(value, _Literal):
        return value
    text = re.sub(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+", " ", str(value))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text).replace("://", ":\u200b//")


def _fence(code: str) -> _Literal:
    """A code block whose fence is longer than any in the code."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return _Literal(f"{fence}\n{code}\n{fence}")
