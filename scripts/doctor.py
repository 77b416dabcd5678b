"""What this machine is, and whether a run fits it: versions, GPU, CPU, memory, folders, data, and the batch that fits.

python scripts/doctor.py                                          the default run
python scripts/doctor.py model=resnet18 dataset=cifar10 batch_size=512    the run of a command of train.py
python scripts/doctor.py --json                                   the same as one JSON document

Exit codes: 0 all right, 1 something that the run needs is missing or broken, 2 refused.
"""

import json
import sys

from rich.console import Console

from dlexp.errors import ConfigError
from dlexp.machine.process import run_command

FLAGS = ("--json", "--help", "-h")


def main(arguments: list[str]) -> int:
    """Examine, and say what was found.

    Returns:
        The exit code.
    """
    flags = {text for text in arguments if text.startswith("-")}
    if {"-h", "--help"} & flags:
        print(__doc__.strip())
        return 0
    try:
        if unknown := sorted(flags.difference(FLAGS)):
            raise ConfigError(*(f"{flag}: no such flag. Flags: {', '.join(FLAGS)}." for flag in unknown))
        return report([text for text in arguments if text not in flags], as_json="--json" in flags)
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2


def report(overrides: list[str], *, as_json: bool) -> int:
    """Examine one run's machine, and print it."""
    if any(text.startswith("study=") for text in overrides):
        raise ConfigError(
            "study: is a name for many runs; give the overrides of one, as python scripts/plan.py study=... lists them."
        )
    from dlexp.doctor.examine import examine  # with torch, which a refusal of the command need not wait for
    from dlexp.doctor.render import WIDTH, document, found, page

    sections = examine(overrides)
    if as_json:
        print(json.dumps(document(sections), indent=1))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        console.print(page(sections, min(WIDTH, console.width)))
    return 1 if found(sections, "problem") else 0


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
