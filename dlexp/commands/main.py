"""The command `dlexp`: lists the commands, and runs the one that is named.

Only the module of that command is loaded, so `dlexp --help` loads neither torch nor Hydra.
"""

import sys

from dlexp import __version__
from dlexp.config.entry import get_entry, show_command

# Name → what it does. The command is in the module of the same name in this folder.
COMMANDS = {
    "train": "train one run, the runs of a sweep (-m), or those of a study",
    "ablate": "run a recipe without each of its parts, and the plain run with each part",
    "plan": "list the studies, or the cells of a study or sweep: done, to do, time expected",
    "register": "write down what a study predicts, with a hash and the date, before its first run",
    "preview": "draw a training batch as the model gets it; print shapes, range, labels",
    "check": "check options: shapes, gradients, determinism, resume, an effect of every key",
    "next": "diagnose the best run by its validation split, and propose what to try next",
    "predict": "predict the classes, or the numbers, of new files with a trained run",
    "ensemble": "combine finished runs by vote or mean, and measure what it gains",
    "export": "write a trained model as safetensors and JSON, with code that loads it",
    "report": "write the page of a run, or the report of a study, from their folders",
    "reproduce": "run every published study, or those named, one after the other",
    "verify": "find files of runs and studies that were damaged after they were written",
    "doctor": "show what this machine has, and whether a run fits it",
    "init": "make a folder for parts of your own, with examples that work",
    "trust": "agree to use the parts in a folder where it is the current one",
    "benchmark": "measure how fast dlexp is, compared with other ways to do the same work",
}


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names.

    Returns:
        Its exit code; 2 if there is no such command.
    """
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(help_text())
        return 0
    if name == "--version":
        print(f"dlexp {__version__}")
        return 0
    if name not in COMMANDS:
        print(f"{explain_unknown(name)} Commands: {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    from importlib import import_module

    return import_module(f"dlexp.commands.{name}").main(arguments[1:])


def help_text() -> str:
    """One line for each command."""
    width = max(map(len, COMMANDS))
    program = get_entry()
    return "\n".join(
        [
            "A laboratory for ablations in deep learning.",
            "",
            *(f"  {program} {name:<{width}}   {line}" for name, line in COMMANDS.items()),
            "",
            f"  {program} --version",
            "",
            f"Each command explains itself: {show_command('train')} --help",
        ]
    )


def explain_unknown(name: str) -> str:
    """Say that there is no such command, and what may have been meant."""
    from dlexp.config.check import find_problems
    from dlexp.config.suggestion import nearest_option
    from dlexp.config.values import make_printable

    if "=" not in name and not name.startswith("-"):
        meant = nearest_option(name, list(COMMANDS))
    elif find_problems([name], multirun=True):
        meant = f" Settings and flags stand behind {show_command('train')}."
    else:
        meant = f" Did you mean {show_command('train')} {make_printable(name)}?"
    return f"{make_printable(name)}: no such command.{meant}"
