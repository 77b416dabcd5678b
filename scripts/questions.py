"""Answer the homework sheet's questions from runs: `python scripts/questions.py`.

Writes outputs/reference/questions.md. The runs of a study are read from outputs/<study>; for a data set that these do not
cover, from the runs.csv in outputs/reference/<study>.
"""

import argparse
import sys
from pathlib import Path

from homework.evidence import gather
from homework.page import STUDIES, render_markdown

from dlexp.machine.files import write_whole


def main() -> int:
    """Read the command line, write the page, and print its path.

    Returns:
        The exit code: 2 if the folder for the page does not exist.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outputs", type=Path, nargs="?", default=Path("outputs"), help="folder with the studies' run folders")
    parser.add_argument("--reference", type=Path, default=Path("outputs/reference"), help="folder of the page and its figures")
    given = parser.parse_args()
    if not given.reference.is_dir():
        print(f"--reference must be a folder, got {given.reference}.", file=sys.stderr)
        return 2
    page = given.reference / "questions.md"
    write_whole(page, render_markdown(gather([given.outputs, given.reference], STUDIES), given.reference))
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
