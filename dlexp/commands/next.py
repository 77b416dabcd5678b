"""Say what to try next: diagnose the best run by its validation split, and propose a change."""

import argparse
import math
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_command, show_overrides, show_uses, start_command
from dlexp.run import signals
from dlexp.run.numbers import format_value
from dlexp.run.record.layout import find_run_folders
from dlexp.trained.find import find_run

if TYPE_CHECKING:
    from dlexp.study.next_step import Cell, Step

USES = {
    "outputs/adhoc": "what to try after these runs",
    "3f2a": "what to try after one run",
    "outputs/adhoc --yes --rounds 5": "try it, and what follows, up to five times",
}
NOTE = """\
Runs that differ in their seed alone are compared by their mean on the validation
split: val/acc, or val/loss of a regression. The test split decides nothing.
A change whose runs are finished counts as tried: if it is better, the next one
starts from it. Where nothing stands out, nothing is proposed.

Exit codes: 0 done, 2 no run has a validation split; of a run as docs/runs.md says."""


def main(arguments: list[str]) -> int:
    """Read the command line, print the proposal, and with `--yes` run it.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        show_command("next"),
        description=f"{__doc__}\n\n{show_uses('next', USES)}\n\n{NOTE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", metavar="RUNS", help="a folder of runs, a run's folder, or the id of a run")
    parser.add_argument("--yes", action="store_true", help="run what is proposed, and go on with what follows")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="proposals that --yes runs (default: 1)")
    parser.add_argument(
        "--outputs", default="outputs", metavar="FOLDER", help="where runs are, and are made (default: outputs)"
    )
    parser.add_argument("--config-dir", metavar="LAB/conf", help="the lab, if the runs used options of one")
    signals.listen()
    return attempt(lambda: _go_on(parser.parse_args(choose_lab(arguments))))


def _go_on(given: argparse.Namespace) -> int:
    from dlexp.study.next_step import find_next, write_command  # loads torch

    path = Path(given.runs).expanduser()
    several = path.is_dir() and not (path / "config.yaml").exists()
    folders = sorted(find_run_folders(path, lambda error: None)) if several else [find_run(given.runs, given.outputs)]
    common = [f"output_dir={given.outputs}"] if given.outputs != "outputs" else []
    num_shown = 0
    for rounds_left in range(given.rounds if given.yes else 0, -1, -1):
        step = find_next(folders, common)
        command = [*write_command(step), *common]
        print(*_describe(step, num_shown, command), sep="\n", flush=True)
        if step.proposal is None or not rounds_left:
            break
        num_shown = len(step.trials)
        if code := subprocess.run([*start_command("train"), *command], check=False).returncode:
            return code
    return 0


def _describe(step: "Step", num_shown: int, command: Sequence[str]) -> Iterator[str]:
    """The trials that were not shown yet, the best cell, its diagnosis, and the next command."""
    for change, cell in step.trials[num_shown:]:
        yield f"Tried {show_overrides(change)}: {_show(cell)}"
    from dlexp.analysis.judge.diagnose import ADVICE  # loads pandas

    best = step.best
    yield f"Best: {show_overrides(best.overrides) or 'the default run'}: {_show(best)}"
    yield " ".join(filter(None, (f"Diagnosis: {best.diagnosis.name}.", best.evidence, ADVICE[best.diagnosis.name])))
    if step.proposal is not None:
        yield f"Next: {show_command('train')} {show_overrides(command)}"
    elif best.diagnosis.name != "fine":
        yield "What is known to help against it was tried, or does not fit this run."


def _show(cell: "Cell") -> str:
    """The value of a cell, and over how many runs it is the mean."""
    value = format_value(cell.metric, cell.value if math.isfinite(cell.value) else None)
    return f"{cell.metric} {value}" + (f", mean of {len(cell.seeds)} seeds" if len(cell.seeds) > 1 else "")
