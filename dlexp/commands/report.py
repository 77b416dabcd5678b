"""Write the report of a study, or the page of one run, again, from what the runs left."""

import argparse
import os
import re
import sys
from pathlib import Path

from dlexp.config.entry import show_command
from dlexp.config.values import join_first, show_path
from dlexp.errors import ConfigError

OUTPUTS = Path("outputs")
LANGUAGES = ("en", "ko")
MAX_LISTED = 5  # studies and runs that a message names
IDENTITY = re.compile("[0-9a-f]{12}")


def main(arguments: list[str]) -> int:
    """Read the command line, write the reports, and print their paths.

    Returns:
        The exit code: 2 if a folder holds neither a study nor a run, or a report that knows more than the new one.
    """
    parser = argparse.ArgumentParser(show_command("report"), description=__doc__)
    parser.add_argument(
        "what",
        type=Path,
        nargs="+",
        metavar="STUDY_OR_RUN",
        help="a study's folder, which holds protocol.json: outputs/<study>; a run's folder; or the id of a run below outputs/",
    )
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the report's own text")
    parser.add_argument("--replace", action="store_true", help="also replace a report that knows more than the new one")
    parser.add_argument(
        "--archive",
        type=Path,
        metavar="FOLDER",
        help="write the report into this folder instead, with tables of all that it needs of the runs (of one study)",
    )
    given = parser.parse_args(arguments)
    if given.archive and len(given.what) > 1:
        parser.error("--archive takes one study")
    code = 0
    for typed in given.what:
        path = Path(os.path.expanduser(typed))
        if not path.exists() and not IDENTITY.fullmatch(str(path)):
            print(f"{show_path(str(path))}: there is no such folder.", file=sys.stderr)
            code = 2
        else:
            code = max(code, _write(path, given))
    return code


def _write(path: Path, given: argparse.Namespace) -> int:
    """Write the report of a study's folder, or the page of a run that is given by its folder or its id; the exit code."""
    from dlexp.analysis.read.folder import DamagedError  # loads pandas and matplotlib; a wrong command is refused before
    from dlexp.analysis.report.replace import LessKnownError
    from dlexp.run.record import disk

    try:
        print(_build(path, given))
    except LessKnownError as error:
        print(f"{error} --replace replaces it all the same.", file=sys.stderr)
        return 2
    except (OSError, DamagedError, ConfigError) as error:
        print(f"{show_path(str(path))}: {error}", file=sys.stderr)
        return 5 if disk.refusal(error) else 2
    return 0


def _build(path: Path, given: argparse.Namespace) -> Path:
    from dlexp.analysis.report.archive import archive_report
    from dlexp.analysis.report.one_run.page import build_run_report
    from dlexp.analysis.report.write import build_report
    from dlexp.run.record.layout import PROTOCOL, find_run_folders, is_run_folder
    from dlexp.trained.find import find_run

    if not path.exists() and not given.archive:
        return build_run_report(find_run(str(path), OUTPUTS), given.lang)
    folder = path.resolve() if path.name in ("", "..") else path  # `.` has no name, and may be a run's folder
    if is_run_folder(folder) and not given.archive:
        return build_run_report(folder, given.lang)
    if not (folder / PROTOCOL).exists():
        below = (
            [*sorted(folder.glob(f"*/{PROTOCOL}")), *find_run_folders(folder, lambda error: None)] if folder.is_dir() else []
        )
        places = join_first((show_path(str(item.parent if item.name == PROTOCOL else item)) for item in below), MAX_LISTED)
        raise ConfigError(
            f"expected the folder of a study, which holds {PROTOCOL}"
            + ("; a single run has no archive." if given.archive else ", or that of a run.")
            + (f" A report can be made of {places}." if below else "")
        )
    if given.archive:
        return archive_report(path, Path(os.path.expanduser(given.archive)), given.lang, replace=given.replace)
    return build_report(path, given.lang, replace=given.replace)
