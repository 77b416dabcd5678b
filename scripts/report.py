"""Write the report of a study again, from its run folders: `python scripts/report.py outputs/depth_activation [--lang ko]`."""

import argparse
import sys
from pathlib import Path

from dlexp.analysis.read.folder import DamagedError
from dlexp.analysis.report.text import LANGUAGES
from dlexp.analysis.report.write import build_report


def main() -> int:
    """Read the command line, write the report, and print its path.

    Returns:
        The exit code: 2 if the folder holds no study.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="+", help="folder with protocol.json: outputs/<study>")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the report's own text")
    given = parser.parse_args()
    code = 0
    for folder in given.folder:
        try:
            print(build_report(folder, given.lang))
        except (FileNotFoundError, DamagedError) as error:
            print(f"{folder}: {error}", file=sys.stderr)
            code = 2
    return code


if __name__ == "__main__":
    sys.exit(main())
