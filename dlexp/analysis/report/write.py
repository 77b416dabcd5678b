"""Write the report of a study from its run folders alone: its pages, tables and figures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dlexp.analysis import analyse
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.runs_csv import TRIALS, format_runs
from dlexp.analysis.report.figures import Picture, draw
from dlexp.analysis.report.looks import log_looks
from dlexp.analysis.report.page import Page, make_page
from dlexp.analysis.report.replace import PAGES, check_knows_no_less
from dlexp.analysis.report.text import Text
from dlexp.machine.files import Content, make_own_folder, write_set
from dlexp.machine.printing import replace_controls
from dlexp.run.record.checksums import SUMS_FILE, list_sums
from dlexp.run.record.look_log import LOOKS, format_log

HTML, BEST, ABLATION = "report.html", "best.csv", "ablation.csv"


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
    """Draw the figures and write the page. Figures of an earlier report that are not drawn are removed.

    All is drawn, and then all is written, before anything is replaced. While files are replaced, the pages say that the
    report is unfinished.

    Raises:
        OSError: If the disk is full or cannot be written. The earlier report stays.
    """
    pictures = list(draw(result))
    if not replace:
        check_knows_no_less(result, [picture.name for picture in pictures])
    # Without curves the figures of an earlier report cannot be drawn again, so they stay.
    replace_report(make_files(result, pictures, text), text, keep_figures=not len(result.curves))
    return result.folder / HTML


def make_files(result: StudyResult, pictures: Sequence[Picture], text: Text) -> dict[Path, Content]:
    """The files of a report: path → content. The present looks are added to its log."""
    result = log_looks(result)
    text, figures = Text(text.lang, by_draw=result.by_draw), result.folder / "figures"
    page = make_page(result, pictures, text)
    drawn: dict[Path, Content] = {figures / f"{picture.name}.png": picture.png for picture in pictures}
    drawn |= {figures / f"{picture.name}.svg": picture.svg for picture in pictures}
    tables: dict[Path, Content] = {result.folder / "runs.csv": format_runs(result.runs)}
    tables[result.folder / BEST] = format_runs(result.best)
    tables |= {result.folder / ABLATION: format_runs(result.ablation.table)} if result.ablation else {}
    tables |= {result.folder / TRIALS: format_runs(result.tuning.runs)} if result.tuning else {}
    tables |= {result.folder / LOOKS: format_log(result.log)} if result.log else {}
    return drawn | tables | {result.folder / "report.md": render_markdown(page), result.folder / HTML: render_html(page)}


def replace_report(contents: Mapping[Path, Content], text: Text, *, keep_figures: bool) -> None:
    """Write the files of a report, in place of an earlier one.

    Args:
        contents: The files, among them one of `PAGES` or both.
        text: The words of the page that is there until all are replaced.
        keep_figures: Whether figures of the earlier report that are not among the files stay.

    Raises:
        OSError: If the disk is full or cannot be written.
    """
    pages = [path for path in contents if path.name in PAGES]
    folder, figures, unfinished = pages[0].parent, pages[0].parent / "figures", text("unfinished")
    sums = list_sums({path.relative_to(folder).as_posix(): content for path, content in contents.items()})
    make_own_folder(figures)
    there = [] if keep_figures else [*figures.glob("*.png"), *figures.glob("*.svg")]
    mark = {HTML: f"<!DOCTYPE html><meta charset=utf-8><p>{unfinished}</p>\n"}
    write_set(
        {**contents, folder / SUMS_FILE: sums},
        unfinished={page: mark.get(page.name, f"{unfinished}\n") for page in pages},
        obsolete=[path for path in there if path not in contents],
    )


def render_html(page: Page) -> str:
    """Render the page as one self-contained file; all text from configs and runs is escaped."""
    return replace_controls(_make_environment(autoescape=True).get_template("report.html.j2").render(page=page))


def render_markdown(page: Page) -> str:
    """Render the page as Markdown, with its figures in figures/."""
    return tidy_markdown(markdown_environment().get_template("report.md.j2").render(page=page))


def tidy_markdown(text: str) -> str:
    """Reduce repeated blank lines to one, end with a single newline, and leave no control character."""
    return replace_controls(re.sub(r"\n{3,}", "\n\n", text).strip()) + "\n"


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
