"""Run every published study, or those named, one after the other; one that fails does not stop the rest."""

import subprocess
import sys
from time import perf_counter
from typing import Any

from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_uses, start_train
from dlexp.config.options import current_lab
from dlexp.errors import ConfigError
from dlexp.run.display import make_display, results_table
from dlexp.study.definition import studies

USES = {
    "": "every study whose name ends in _published",
    "loss_published activation_2d seed=0,1": "these two, with what is to be changed in both",
}
MEANING = {0: "done", 1: "some runs failed", 2: "refused", 7: "no data", 75: "interrupted"}


def main(arguments: list[str]) -> int:
    """Run them, and print a table of success and time.

    Returns:
        The exit code: 0 if all of them ended well, 75 if interrupted, else 1.
    """
    if {"-h", "--help"}.intersection(arguments):
        print(__doc__, show_uses("reproduce", USES), sep="\n\n")
        return 0
    try:
        arguments = choose_lab(arguments)
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    lab = [f"--config-dir={lab.conf}"] if (lab := current_lab()) else []
    changes = [text for text in arguments if "=" in text]
    named = [text for text in arguments if "=" not in text]
    rows: list[dict[str, Any]] = []
    for name in named or [name for name in studies() if name.endswith("_published")]:
        began = perf_counter()
        code = subprocess.call([*start_train(), *lab, f"study={name}", *changes])
        status = MEANING.get(code, f"exit code {code}")
        rows.append({"study": name, "status": status, "minutes": (perf_counter() - began) / 60})
        if code == 75:
            break
    good = sum(row["status"] == "done" for row in rows)
    with make_display() as display:
        display.table(results_table(rows, ["study", "status", "minutes"]))
        display.say(f"{good} of {len(rows)} studies done, {sum(row['minutes'] for row in rows):.1f} minutes.")
    return 75 if rows and rows[-1]["status"] == "interrupted" else int(good < len(rows))
