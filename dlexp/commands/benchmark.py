"""Measure how fast dlexp is, compared with other ways to do the same work. The table also lists what could not be measured."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from dlexp.config.entry import show_command, show_uses
from dlexp.machine.files import MAX_JSON_BYTES, read_regular_file
from dlexp.run.display import make_display

FOLDER = Path("outputs/benchmark")
USES = {
    "": f"run all comparisons; the samples are written to {FOLDER}/",
    "--list": "list the comparisons",
    "--only loop,startup": "run these two",
    "--show FILE --markdown": "print the table of an earlier run, in Markdown",
}


def main(arguments: list[str]) -> int:
    """Do what the command line says.

    Returns:
        The exit code: 1 if a comparison failed, 2 if the command is wrong, 75 if interrupted. A missed goal is not a failure.
    """
    given = build_parser().parse_args(arguments)
    from dlexp.benchmark.comparisons import COMPARISONS

    names = given.only.split(",") if given.only else [comparison.name for comparison in COMPARISONS]
    if unknown := set(names) - {comparison.name for comparison in COMPARISONS}:
        known = ", ".join(comparison.name for comparison in COMPARISONS)
        print(f"--only: no comparison {', '.join(sorted(unknown))}. There are: {known}.", file=sys.stderr)
        return 2
    if given.airbench and not given.airbench.is_file():
        print(f"--airbench: expected the script airbench94_muon.py, and {given.airbench} is no file.", file=sys.stderr)
        return 2
    chosen = [comparison for comparison in COMPARISONS if comparison.name in names]
    if given.list:
        for comparison in chosen:
            print(f"{comparison.name:<13} {comparison.rounds:>2} rounds  {comparison.question}")
        return 0
    return show(given) if given.show else measure(given, chosen)


def measure(given: argparse.Namespace, chosen: list) -> int:
    """Run the comparisons, write the document and print its table."""
    from dlexp.benchmark.comparison import Request
    from dlexp.benchmark.results import run_comparisons, write_document

    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    with tempfile.TemporaryDirectory() as scratch:
        request = Request(Path(scratch), given.airbench, given.synthetic)
        document = run_comparisons(chosen, request, rounds=given.rounds, block=given.block, report=say)
    path = write_document(document, FOLDER)
    print_table(document, given.markdown)
    say(f"→ {path}")
    if document["interrupted"]:
        say("Interrupted: the table has only what was measured before.")
        return 75
    return int(any("failed" in row for row in document["rows"]))


def show(given: argparse.Namespace) -> int:
    """Print the table of an earlier run."""
    try:
        print_table(json.loads(read_regular_file(given.show, MAX_JSON_BYTES)), given.markdown)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        print(f"--show: {given.show} is not what this command writes to {FOLDER}/ ({reason}).", file=sys.stderr)
        return 2
    return 0


def print_table(document: dict, as_markdown: bool) -> None:
    """Print the table, and below it the machine."""
    from dlexp.benchmark.table import build_table, format_caption, format_markdown

    if as_markdown:
        print(format_markdown(document), format_caption(document), sep="\n\n")
        return
    with make_display() as display:
        display.table(build_table(document))
        display.say(format_caption(document))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        show_command("benchmark"),
        description=f"{__doc__}\n\n{show_uses('benchmark', USES)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="list the comparisons, and measure nothing")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="run only these comparisons")
    parser.add_argument("--rounds", type=parse_count, metavar="N", help="number of pairs of each comparison; a verdict needs 6")
    parser.add_argument(
        "--block", type=parse_count, metavar="N", help="number of steps, epochs, starts or runs in each measurement"
    )
    parser.add_argument("--synthetic", action="store_true", help="use generated images instead of Fashion-MNIST and CIFAR-10")
    parser.add_argument("--airbench", type=Path, metavar="FILE", help="your copy of airbench94_muon.py")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown, as in docs/speed.md")
    parser.add_argument(
        "--show",
        type=Path,
        metavar="FILE",
        help="print the table of this file, which an earlier run wrote, and measure nothing",
    )
    return parser


def parse_count(text: str) -> int:
    """Parse a whole number of at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
