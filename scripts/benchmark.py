"""Measure how fast dlexp is beside what it is compared with; what this machine does not allow is listed as not measured.

python scripts/benchmark.py                             everything, in turn; the samples go to outputs/benchmark/
python scripts/benchmark.py --list                      what is compared
python scripts/benchmark.py --only loop,startup         some of it
python scripts/benchmark.py --show FILE --markdown      the table of an earlier time, as README.md has it
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from dlexp.machine.process import run_command
from dlexp.run.display import make_display

FOLDER = Path("outputs/benchmark")


def main(arguments: list[str]) -> int:
    """Measure, keep and print.

    Returns:
        The exit code: 1 if two arms did different work or one failed, 2 if the command is wrong, 75 if interrupted; a missed
        goal is no failure.
    """
    given = parser().parse_args(arguments)
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
    """Run the comparisons, and print the table of what they gave."""
    from dlexp.benchmark.comparison import Request
    from dlexp.benchmark.results import run, write

    say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    with tempfile.TemporaryDirectory() as scratch:
        request = Request(Path(scratch), given.airbench, given.synthetic)
        document = run(chosen, request, rounds=given.rounds, block=given.block, say=say)
    path = write(document, FOLDER)
    print_table(document, given.markdown)
    say(f"→ {path}")
    if document["interrupted"]:
        say("Interrupted: the table holds what was measured until then.")
        return 75
    return int(any("failed" in row for row in document["rows"]))


def show(given: argparse.Namespace) -> int:
    """Print the table of an earlier time."""
    try:
        print_table(json.loads(given.show.read_text()), given.markdown)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        print(f"--show: {given.show} is not what this command writes to {FOLDER}/ ({reason}).", file=sys.stderr)
        return 2
    return 0


def print_table(document: dict, as_markdown: bool) -> None:
    """On standard output, above the machine that it comes from."""
    from dlexp.benchmark.table import caption, markdown, table

    if as_markdown:
        print(markdown(document), caption(document), sep="\n\n")
        return
    with make_display() as display:
        display.table(table(document))
        display.say(caption(document))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--list", action="store_true", help="say what is compared, and measure nothing")
    made.add_argument("--only", metavar="NAME[,NAME]", help="these comparisons")
    made.add_argument("--rounds", type=at_least_one, help="pairs, in place of each comparison's own number; a verdict needs 6")
    made.add_argument(
        "--block", type=at_least_one, help="steps, epochs, starts or runs of a block, in place of each case's own"
    )
    made.add_argument("--synthetic", action="store_true", help="generated images in place of Fashion-MNIST and CIFAR-10")
    made.add_argument("--airbench", type=Path, metavar="FILE", help="your copy of airbench94_muon.py")
    made.add_argument("--markdown", action="store_true", help="print the table as README.md has it")
    made.add_argument("--show", type=Path, metavar="FILE", help="print what an earlier time gave, and measure nothing")
    return made


def at_least_one(text: str) -> int:
    """A whole number of at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
