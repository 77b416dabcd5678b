"""Write the report of a study again, from its run folders."""

import argparse
import sys
from pathlib import Path

from dlexp.analysis.read.folder import DamagedError
from dlexp.analysis.report.text import LANGUAGES
from dlexp.analysis.report.write import build_report
from dlexp.config.entry import show_command


def main(arguments: list[str]) -> int:
    """Read the command line, write the report, and print its path.

    Returns:
        The exit code: 2 if the folder holds no study.
    """
    parser = argparse.ArgumentParser(show_command("report"), description=__doc__)
    parser.add_argument("folder", type=Path, nargs="+", help="folder with protocol.json: outputs/<study>")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the report's own text")
    given = parser.parse_args(arguments)
    code = 0
    for folder in given.folder:
        try:
            print(build_report(folder, given.lang))
        except (FileNotFoundError, DamagedError) as error:
            print(f"{folder}: {error}", file=sys.stderr)
            code = 2
    return code
