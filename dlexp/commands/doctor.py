"""Show what this machine has, and whether a run fits it: versions, GPU, CPU, memory, folders, data and batch size."""

import json
import sys

from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_command, show_uses
from dlexp.errors import ConfigError
from dlexp.machine.console import make_console

USES = {
    "": "examine the default run",
    "model=resnet18 batch_size=512": "examine the run with these overrides",
    "--json": "print the same as one JSON document",
}
EXIT_CODES = "Exit codes: 0 no problems, 1 something that the run needs is missing or broken, 2 the command is wrong."
FLAGS = ("--json", "--help", "-h")


def main(arguments: list[str]) -> int:
    """Examine the machine and the run, and print the result.

    Returns:
        The exit code.
    """
    if {"-h", "--help"}.intersection(arguments):
        print(__doc__, show_uses("doctor", USES), EXIT_CODES, sep="\n\n")
        return 0
    try:
        arguments = choose_lab(arguments)
        flags = {text for text in arguments if text.startswith("-")}
        if unknown := sorted(flags.difference(FLAGS)):
            raise ConfigError(*(f"{flag}: no such flag. Flags: {', '.join(FLAGS)}." for flag in unknown))
        return report([text for text in arguments if text not in flags], as_json="--json" in flags)
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2


def report(overrides: list[str], *, as_json: bool) -> int:
    """Print the examination of one run; returns the exit code."""
    if any(text.startswith("study=") for text in overrides):
        plan = show_command("plan")
        raise ConfigError(f"study: a study is many runs. Give the overrides of one, as {plan} study=... lists them.")
    from dlexp.doctor.examine import examine  # loads torch; a wrong command is refused before
    from dlexp.doctor.render import WIDTH, build_document, render_page, select_findings

    sections = examine(overrides)
    if as_json:
        print(json.dumps(build_document(sections), indent=1))
    else:
        console = make_console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        console.print(render_page(sections, min(WIDTH, console.width)))
    return 1 if select_findings(sections, "problem") else 0
