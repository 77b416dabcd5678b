"""Check options: shapes, gradients, determinism, copies, resume to the last bit, and whether every key has an effect."""

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from time import perf_counter
from typing import Any, NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from dlexp.commands.lab import choose_lab
from dlexp.config.combination import name_choice, split_choice
from dlexp.config.entry import show_command, show_uses
from dlexp.config.lookup import look_up
from dlexp.config.options import groups, list_groups
from dlexp.config.overrides import parse
from dlexp.errors import ConfigError
from dlexp.machine.console import make_console

USES = {
    "activation=mine": "one option, in the smallest run that it fits in",
    "model=mine loss=mine": "several, one after the other",
    "optimizer=mine depth=4": "with another setting in these runs",
    "--config-dir DIR activation=mine": "an option of the lab with this conf/",
    "activation=mine --json": "the result as one JSON document",
}
NOTES = """\
Runs are recorded in a temporary folder. Exit code: 0 if every check holds, 1 if one fails, 2 if the command is wrong."""


class Checked(NamedTuple):
    """The result for one option.

    Args:
        option: As it was typed, `group=option`.
        file: The option's file.
        target: What the file names as the factory.
        findings: One for each check, as dicts: check, holds, problems, not_tried, is_tried.
        seconds: How long the checks took.
    """

    option: str
    file: str
    target: str
    findings: list[dict[str, Any]]
    seconds: float

    @property
    def num_failed(self) -> int:
        """Number of checks that fail."""
        return sum(not finding["holds"] for finding in self.findings)

    @property
    def num_not_tried(self) -> int:
        """Number of checks of which nothing could be tried."""
        return sum(not finding["is_tried"] for finding in self.findings)


def main(arguments: list[str]) -> int:
    """Check the options that a command names.

    Returns:
        The exit code: 0 if every check holds, 1 if one fails, 2 if the command is wrong.
    """
    if {"-h", "--help"}.intersection(arguments):
        print(__doc__, show_uses("check", USES), NOTES, sep="\n\n")
        return 0
    as_json = "--json" in arguments
    try:
        chosen, overrides = read_command(choose_lab([argument for argument in arguments if argument != "--json"]))
        checked = []
        console = make_console(highlight=False, soft_wrap=not sys.stdout.isatty())
        for group, option in chosen:
            checked.append(check_option(group, option, overrides))
            if not as_json:
                show(checked[-1], console)
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps([{**one._asdict(), "holds": not one.num_failed} for one in checked], indent=1))
    else:
        console.print(Text(summarize(checked)))
    return 1 if any(one.num_failed for one in checked) else 0


def read_command(arguments: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Split a command into the options to check, as pairs of group and option, and the settings of the runs.

    Raises:
        ConfigError: If the command is wrong, with the nearest valid choice.
    """
    if unknown := [argument for argument in arguments if argument.startswith("-")]:
        raise ConfigError(f"{unknown[0]}: no such flag: {show_command('check')} --help shows what there is.")
    overrides = [parse(argument) for argument in arguments]
    chosen: list[tuple[str, str]] = []
    settings: list[str] = []
    for override in overrides:
        if override.key in groups():
            named = [name for value in override.values for name in split_choice(name_choice(value))]
            chosen += [(override.key, name) for name in named]
        elif override.key in list_groups():
            names = [name for value in override.values for name in (value if isinstance(value, list) else [value])]
            chosen += [(override.key, str(name)) for name in names]
        else:
            settings.append(override.typed)
    if not chosen and (problems := look_up(settings, multirun=False)):
        raise ConfigError(*problems)
    choices = [f"{group}=[{option}]" if group in list_groups() else f"{group}={option}" for group, option in chosen]
    for choice in choices:  # each is checked in runs of its own
        if problems := look_up([choice, *settings], multirun=False):
            raise ConfigError(*problems)
    if not chosen:
        raise ConfigError(
            f"Nothing to check: name an option, as in {show_command('check')} activation=relu. Groups: {', '.join(groups())}."
        )
    return chosen, settings


def check_option(group: str, option: str, overrides: Sequence[str]) -> Checked:
    """Check one option. What it prints goes to stderr, so that stdout holds the result alone."""
    from dlexp.contract_checks.check import check_part  # loads torch: not before the command has passed
    from dlexp.contract_checks.part import find_part

    start, part = perf_counter(), find_part(group, option)
    with redirect_stdout(sys.stderr):
        findings = check_part(part, overrides)
    rows = [{**finding._asdict(), "holds": finding.holds} for finding in findings]
    return Checked(f"{group}={option}", part.file, part.target, rows, round(perf_counter() - start, 2))


def show(checked: Checked, console: Console) -> None:
    """Print the checks of an option: on a terminal with ✓ and ✗, in a pipe with the words ok and FAILED."""
    marks = ("✓", "✗", "–") if console.is_terminal else ("ok", "FAILED", "not tried")
    width = max(map(len, marks))
    console.print(Text(f"{checked.option}  {checked.file}, {checked.target}"))
    for finding in checked.findings:
        state = 1 if not finding["holds"] else 0 if finding["is_tried"] else 2
        style = ("green", "red", "dim")[state]
        console.print(Text.assemble("  ", (marks[state].ljust(width), style), f" {finding['check']}"))
        for sentence in finding["problems"]:
            _print_indented(console, Text(sentence), width + 3)
        for sentence in finding["not_tried"]:
            _print_indented(console, Text(f"not tried: {sentence}", style="dim"), width + 3)
    not_tried = f"{checked.num_not_tried} not tried, " if checked.num_not_tried else ""
    console.print(Text(f"  {len(checked.findings)} checks, {checked.num_failed} failed, {not_tried}{checked.seconds:.1f} s"))


def _print_indented(console: Console, text: Text, indent: int) -> None:
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent)))
    else:
        console.print(Text(" " * indent) + text)


def summarize(checked: Sequence[Checked]) -> str:
    """The last line: how many options hold, and which fail."""
    failed = [one.option for one in checked if one.num_failed]
    if failed:
        return f"{len(failed)} of {len(checked)} options fail: {shlex.join(failed)}."
    what = checked[0].option if len(checked) == 1 else f"{len(checked)} options"
    number = sum(one.num_not_tried for one in checked)
    return f"Every check of {what} holds{f', except {number} that could not be tried here' if number else ''}."
