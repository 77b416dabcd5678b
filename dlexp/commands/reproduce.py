"""Run every published study, or those named, one after the other; one that fails does not stop the rest."""

import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_command, show_uses, start_train
from dlexp.config.options import current_lab
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.run.display import make_display, results_table
from dlexp.study.definition import studies
from dlexp.study.jobs import check_process_group
from dlexp.study.request import compose_runs, number_runs, read_command

USES = {
    "": "every study whose name ends in _published",
    "loss_published activation_2d seed=0,1": "these two, with what is to be changed in both",
    "--dry-run": "list them with the number of their runs, and train nothing",
}
MEANING = {0: "done", 1: "some runs failed", 2: "refused", 7: "no data", 75: "interrupted"}


def main(arguments: list[str]) -> int:
    """Run them, and print a table of success and time.

    Returns:
        The exit code: 0 if all of them ended well, 2 if the command is wrong, 75 if interrupted, else 1.
    """
    if {"-h", "--help"}.intersection(arguments):
        print(__doc__, show_uses("reproduce", USES), sep="\n\n")
        return 0
    try:
        arguments = choose_lab(arguments)
        if unknown := [text for text in arguments if text.startswith("-") and text != "--dry-run"]:
            raise ConfigError(
                f"{make_printable(unknown[0])}: no such flag: {show_command('reproduce')} --help shows what there is."
            )
        named = [text for text in arguments if "=" not in text and not text.startswith("-")]
        changes = [text for text in arguments if "=" in text]
        if "--dry-run" not in arguments:
            check_process_group()
        sizes = count_runs(named or [name for name in studies() if name.endswith("_published")], changes)
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    return list_only(sizes) if "--dry-run" in arguments else train_all(list(sizes), changes)


def count_runs(names: Sequence[str], changes: Sequence[str]) -> dict[str, int]:
    """The number of runs of each study, all of which are checked before the first one starts.

    Raises:
        ConfigError: With everything that is wrong with any of them.
    """
    sizes, problems = {}, []
    for name in names:
        try:
            study, request = read_command([f"study={name}", *changes])
            compose_runs(study, request)
            sizes[name] = sum(number_runs(study, request))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    return sizes


def list_only(sizes: dict[str, int]) -> int:
    """Print the studies with the number of their runs."""
    with make_display() as display:
        display.table(results_table([{"study": name, "runs": size} for name, size in sizes.items()], ["study", "runs"]))
        display.say(f"{len(sizes)} studies, {sum(sizes.values())} runs. Nothing was trained.")
    return 0


def train_all(names: Sequence[str], changes: Sequence[str]) -> int:
    """Train the studies, each in a process of its own, and print a table of success and time."""
    lab = [f"--config-dir={lab.conf}"] if (lab := current_lab()) else []
    rows: list[dict[str, Any]] = []
    for name in names:
        began = perf_counter()
        code = _call([*start_train(), *lab, f"study={name}", *changes])
        status = MEANING.get(code, f"exit code {code}")
        rows.append({"study": name, "status": status, "minutes": (perf_counter() - began) / 60})
        if code == 75:
            break
    good = sum(row["status"] == "done" for row in rows)
    with make_display() as display:
        display.table(results_table(rows, ["study", "status", "minutes"]))
        display.say(f"{good} of {len(names)} studies done, {sum(row['minutes'] for row in rows):.1f} minutes.")
    if rows[-1]["status"] == "interrupted":
        print("Interrupted. The same command goes on.", file=sys.stderr)
        return 75
    return int(good < len(rows))


def _call(command: Sequence[str]) -> int:
    """Run a command to its end, and return its exit code. Ctrl-C reaches it too: it saves its state and ends."""
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
