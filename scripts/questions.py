"""Answer the homework sheet's questions from runs: `python scripts/questions.py`.

Writes outputs/reference/questions.md. The runs of a study are read from outputs/<study>; for a data set that these do not
cover, from the runs.csv in outputs/reference/<study>.
"""

import argparse
import sys
from pathlib import Path

from dlexp.commands.start import run


def list_unanswered(page: str) -> set[str]:
    """The questions of a page whose answers lack something, each with the command that makes what is missing."""
    from homework.words import load_texts

    marks = tuple(f"- {load_texts()['page'][key]} `" for key in ("not_run", "no_curves", "no_probes"))
    question, found = "", set()
    for line in page.splitlines():
        question = line.lstrip("# ") if line.startswith("#") else question
        if line.startswith(marks):
            found.add(f"{question}: {line.rpartition(' `')[2].removesuffix('`')}")
    return found


def main() -> int:
    """Read the command line, write the page, and print its path.

    Returns:
        The exit code: 2 if the folder for the page does not exist, or if it holds a page that answers more.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("outputs", type=Path, nargs="?", default=Path("outputs"), help="folder with the studies' run folders")
    parser.add_argument("--reference", type=Path, default=Path("outputs/reference"), help="folder of the page and its figures")
    parser.add_argument("--replace", action="store_true", help="also replace a page that answers more than the new one")
    given = parser.parse_args()
    if not given.reference.is_dir():
        print(f"--reference must be a folder, got {given.reference}.", file=sys.stderr)
        return 2
    from homework.evidence import gather  # take seconds to load; --help needs none of them
    from homework.page import STUDIES, render_markdown

    from dlexp.machine.files import write_whole

    page = given.reference / "questions.md"
    text = render_markdown(gather([given.outputs, given.reference], STUDIES), given.reference)
    if (
        page.exists()
        and not given.replace
        and (lost := list_unanswered(text)) - list_unanswered(page.read_text(encoding="utf-8"))
    ):
        print(
            f"{page} was not replaced, because a new page would answer less. Without run folders, a study's runs.csv has no "
            "curves and no probes. Questions, and the command whose runs they need:",
            *sorted(lost),
            "--replace replaces the page all the same.",
            sep="\n",
            file=sys.stderr,
        )
        return 2
    write_whole(page, text)
    print(page)
    return 0


if __name__ == "__main__":
    run(main, entry="scripts")
