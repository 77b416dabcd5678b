"""The report of a study: report.html, report.md, runs.csv and figures, from its run folders alone."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dlexp.analysis import analyse
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.runs_csv import write_runs
from dlexp.analysis.report.figures import Picture, draw
from dlexp.analysis.report.page import Page, make_page
from dlexp.analysis.report.text import Text
from dlexp.machine.files import replacing, write_whole


def build_report(folder: Path, lang: str = "en") -> Path:
    """Analyse a study and write its report into the folder that holds its protocol.json.

    Args:
        folder: `outputs/<study>`, or `outputs/<study>/with-<changes>`.
        lang: Of the page's own text: `en` or `ko`.

    Returns:
        report.html.

    Raises:
        FileNotFoundError: If there is no protocol.json: the study was never started.
    """
    text = Text(lang)
    return write_report(analyse(folder), text)


def write_report(result: StudyResult, text: Text) -> Path:
    """Draw the figures and write the page, each file whole. What an earlier report drew and this does not is removed."""
    shelf = result.folder / "figures"
    shelf.mkdir(parents=True, exist_ok=True)
    pictures = [_saved(picture, shelf) for picture in draw(result)]
    if len(result.curves):  # without run folders, figures of them are not drawn, and not taken away
        for left in (*shelf.glob("*.png"), *shelf.glob("*.svg")):
            if left.stem not in {picture.name for picture in pictures}:
                left.unlink()
    with replacing(result.folder / "runs.csv") as temporary:
        write_runs(result.runs, temporary)
    page = make_page(result, pictures, text)
    write_whole(result.folder / "report.md", markdown(page))
    return write_whole(result.folder / "report.html", html(page))


def html(page: Page) -> str:
    """The page as one file that needs no other; whatever comes from configs and runs is escaped."""
    environment = _environment(autoescape=True)
    return environment.get_template("report.html.j2").render(page=page)


def markdown(page: Page) -> str:
    """The page as Markdown; its figures lie in figures/. Whatever is inserted is escaped unless the template says `plain`."""
    written = markdown_environment().get_template("report.md.j2").render(page=page)
    return re.sub(r"\n{3,}", "\n\n", written).strip() + "\n"


def markdown_environment() -> Environment:
    """The templates of Markdown pages: whatever they insert is escaped, unless they say `plain` or `fenced`."""
    environment = _environment(autoescape=False, finalize=_escaped)
    environment.filters |= {"plain": _Plain, "fenced": _fenced}
    return environment


def _environment(**settings: Any) -> Environment:
    loader = PackageLoader("dlexp.analysis.report", "templates")
    return Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **settings)  # noqa: S701


class _Plain(str):
    """Text that the Markdown template vouches for."""


def _escaped(value: Any) -> str:
    """Text that Markdown shows as it is: no markup, no link, no table column, no new line comes from it."""
    if isinstance(value, _Plain):
        return value
    text = re.sub(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+", " ", str(value))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text).replace("://", ":\u200b//")


def _fenced(code: str) -> _Plain:
    """A code block whose fence is longer than any in the code."""
    ticks = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, ticks + 1)
    return _Plain(f"{fence}\n{code}\n{fence}")


def _saved(picture: Picture, shelf: Path) -> Picture:
    write_whole(shelf / f"{picture.name}.png", picture.png)
    write_whole(shelf / f"{picture.name}.svg", picture.svg)
    return picture
