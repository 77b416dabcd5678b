"""Write docs/results.md from the tables of the studies in outputs/reference: `python scripts/results.py`."""

import argparse
import sys
from pathlib import Path

from dlexp.commands.start import run


def main() -> int:
    """Read the command line, write the page, and print its path.

    Returns:
        The exit code: 2 if there is no study to write about, or no folder for the page.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path, nargs="?", default=Path("outputs/reference"), help="folder of the studies")
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="the file that is written")
    given = parser.parse_args()
    if not any(given.reference.glob("*/protocol.json")):
        print(f"reference must be a folder of studies, each with a protocol.json, got {given.reference}.", file=sys.stderr)
        return 2
    if not given.page.parent.is_dir():
        print(f"--page must be a file in a folder that exists, got {given.page}.", file=sys.stderr)
        return 2
    from results_page.page import render_page  # takes seconds to load; --help needs nothing of it

    from dlexp.machine.files import write_whole

    write_whole(given.page, render_page(given.reference, given.page.parent))
    print(given.page)
    return 0


if __name__ == "__main__":
    run(main, entry="scripts")
