"""Write a report together with what it needs of its runs, so that it can be made again after their folders are gone."""

import dataclasses
import gzip
from collections.abc import Iterator
from pathlib import Path

from dlexp.analysis import analyse
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.runs_csv import TRIALS, format_runs
from dlexp.analysis.read.tables import CURVES, MAX_PART_BYTES, PROBES, TABLES, format_parts, thin_epochs
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.figures import draw
from dlexp.analysis.report.figures.arrays import MAX_UNPACKED_BYTES, CellArrays, find_arrays, load_cell_arrays, locate_arrays
from dlexp.analysis.report.figures.predictions import select_confusions, select_galleries
from dlexp.analysis.report.replace import LessKnownError, check_knows_no_less
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import ABLATION, BEST, make_files, replace_report
from dlexp.config.plain_json import MAX_BYTES, FormError
from dlexp.errors import ConfigError
from dlexp.machine.files import Content, make_own_folder, read_regular_file, write_set
from dlexp.run.record.checksums import SUMS_FILE, list_sums
from dlexp.run.record.look_log import LOOKS, format_log, read_log
from dlexp.run.record.registrations import REGISTRATIONS, read_registrations

RUNS = "runs.csv"
KINDS, NAMES = (".md", ".png"), (BEST, ABLATION, LOOKS)  # report.html and the SVG figures are larger, and can be made again


def archive_report(folder: Path, target: Path, lang: str = "en", *, replace: bool = False) -> Path:
    """Write into another folder the protocol of a study, tables of its runs, and the report that is made from these.

    Args:
        folder: The folder that holds protocol.json, among the folders of the runs.
        target: The folder to write.
        lang: Language of the report's own text.
        replace: Whether to replace an archive that knows more.

    Returns:
        The path of report.md.

    Raises:
        ConfigError: If there are no run folders, if `target` is the folder itself, or if the file of registrations is damaged.
        LessKnownError: If the archive there knows more, and is not to be replaced.
        OSError: If the disk is full or cannot be written.
    """
    result, text = analyse(folder), Text(lang)
    if target.resolve() == folder.resolve():
        raise ConfigError("an archive is written into another folder than that of the runs.")
    if result.from_tables:
        raise ConfigError("there are no run folders here, from which an archive could be made.")
    if result.registration.state == "damaged":
        raise ConfigError(f"{result.registration.problem}. Put a copy of it that is whole in its place.")
    if not replace:
        check_knows_no_less(dataclasses.replace(result, folder=target), [])
        _check_registrations(folder, target)
        _check_log(result, target)
    _write_tables(result, target, text("unfinished"))
    archived = analyse(target)
    contents = make_files(archived, list(draw(archived)), text)
    stored = {path: content for path, content in contents.items() if path.suffix in KINDS or path.name in NAMES}
    replace_report(stored, text, keep_figures=False)
    return target / "report.md"


def _check_registrations(folder: Path, target: Path) -> None:
    """Check that no registration is lost where the archive has some."""
    if not (folder / REGISTRATIONS).exists():
        return  # those of the archive stay
    registrations = read_registrations(folder)
    try:
        lost = [each for each in read_registrations(target) if each not in registrations]
    except FormError:
        lost = []  # the damaged file is replaced by one that is whole
    if lost:
        raise LessKnownError(
            f"{target}: the archive there was not replaced, because {REGISTRATIONS} there has {len(lost)} registrations that "
            f"{folder} lacks."
        )


def _check_log(result: StudyResult, target: Path) -> None:
    """Check that no look is lost where the archive knows some."""
    if not result.log:
        return  # those of the archive stay
    try:
        lost = [each for each in read_log(target) if each not in result.log]
    except FormError:
        lost = []  # the damaged file is replaced by one that is whole
    if lost:
        raise LessKnownError(
            f"{target}: the archive there was not replaced, because {LOOKS} there has {len(lost)} looks that {result.folder} "
            "lacks."
        )


def _write_tables(result: StudyResult, target: Path, unfinished: str) -> None:
    """Write protocol.json, the tables of runs and tables/; until the report is made, its page says that it is unfinished."""
    fields = ["id", "data_seed", "seed", *result.keys]
    tables: dict[str, Content] = {}
    for name, frame in ((CURVES, result.curves), (PROBES, result.probes)):
        tables |= format_parts(name, thin_epochs(frame), fields)
    for name, path in _list_shown_arrays(mark_absent(result)):
        tables[name] = read_regular_file(path, MAX_UNPACKED_BYTES)
    make_own_folder(target / TABLES)
    names = [f"{name}{ending}" for name in (RUNS, TRIALS) for ending in ("", ".gz")]
    there = [*(target / TABLES).iterdir(), *(target / name for name in names)]
    contents: dict[Path, Content] = {target / TABLES / name: content for name, content in tables.items()}
    contents[target / TABLES / SUMS_FILE] = list_sums(tables)
    for name, frame in [(RUNS, result.runs), *([(TRIALS, result.tuning.runs)] if result.tuning else [])]:
        runs = format_runs(frame).encode()
        packed = len(runs) > MAX_PART_BYTES
        contents[target / f"{name}{'.gz' if packed else ''}"] = gzip.compress(runs, mtime=0) if packed else runs
    contents[target / "protocol.json"] = (result.folder / "protocol.json").read_bytes()
    if (registrations := result.folder / REGISTRATIONS).exists():
        contents[target / REGISTRATIONS] = read_regular_file(registrations, MAX_BYTES)
    if result.log:
        contents[target / LOOKS] = format_log(result.log)
    contents[target / "report.md"] = f"{unfinished}\n"
    write_set(
        contents,
        unfinished={target / "report.md": f"{unfinished}\n"},
        obsolete=[path for path in there if path not in contents],
    )


def _list_shown_arrays(result: StudyResult) -> Iterator[tuple[str, Path]]:
    """The arrays that figures show: the name of each file in the archive, and the file of the run."""
    yield from _list_files(result, "activation_stats", load_cell_arrays(result, "activation_stats"))
    yield from _list_files(result, "decision_boundary", load_cell_arrays(result, "decision_boundary"), last_only=True)
    yield from _list_files(result, "predictions", [*select_confusions(result)[1], *select_galleries(result)])


def _list_files(
    result: StudyResult, name: str, shown: list[CellArrays], *, last_only: bool = False
) -> Iterator[tuple[str, Path]]:
    for item in shown:
        files = list(find_arrays(*locate_arrays(result, item.run, name)).values())
        yield from ((f"{item.run['id']}-{path.name}", path) for path in (files[-1:] if last_only else files))
