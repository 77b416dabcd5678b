"""The time that each setting of machine/process.py saves: a command with all of them on, compared with one of them off."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from dlexp.benchmark.comparison import Block, Case, Figure, Request, Sample
from dlexp.benchmark.intervals import Goal
from dlexp.benchmark.loop import CONVNET, build_overrides
from dlexp.benchmark.startup import check_both_run
from dlexp.benchmark.timing import children_cpu_time
from dlexp.benchmark.training import make_our_loop, prepare_run
from dlexp.config.entry import start_train
from dlexp.machine.process import SETTINGS, VARIABLE

ROOT = Path(__file__).parents[2]  # holds the package
SMALL = ("hardware=cpu", "dataset=moons", "model=mlp", "max_steps=5", "force=true")
TIME_STEPS = """
import sys
from dlexp.machine.process import run_command
def main():
    from dlexp.benchmark.process import print_step_time
    return print_step_time(int(sys.argv[1]), sys.argv[2:])
run_command(main)
"""


def cases(request: Request) -> Iterator[Case]:
    """Two settings change how long a command takes, the third how long a training step takes on the CPU."""
    convnet = build_overrides(CONVNET, 128, 6)
    for name, what, make, unit, block in (
        ("gc", "a small run", partial(make_runs, request.scratch), "runs", 1),
        ("exit", "a small run", partial(make_runs, request.scratch), "runs", 1),
        ("malloc", "convnet, batch 128", partial(make_steps, convnet), "steps", 24),
    ):
        others = [setting for setting in SETTINGS if setting != name]
        yield Case(
            name=f"{name}: {what}",
            arms=("all settings on", f"all but {name}"),
            ours=partial(make, SETTINGS),
            other=partial(make, others),
            figures=(Figure("other / ours", goal=Goal("at least", 1.0)), Figure("ours - other", f"ms/{unit[:-1]}", 1e3)),
            unit=unit,
            block=block,
            check=check_both_run,
        )


def make_runs(folder: Path, settings: Sequence[str]) -> Block:
    """Runs of `dlexp train` from the start to the end of the process."""

    def block(num_runs: int) -> Sample:
        command = [*start_train(), *SMALL, f"output_dir={folder}"]
        began, cpu = perf_counter(), children_cpu_time()
        for _ in range(num_runs):
            _run(command, settings)
        return Sample((perf_counter() - began) / num_runs, (children_cpu_time() - cpu) / num_runs)

    return block


def make_steps(chosen: Sequence[str], settings: Sequence[str]) -> Block:
    """Steps of a new process, which trains as many steps before them."""

    def block(num_steps: int) -> Sample:
        return Sample(*json.loads(_run([sys.executable, "-c", TIME_STEPS, str(num_steps), *chosen], settings)))

    return block


def print_step_time(num_steps: int, chosen: Sequence[str]) -> int:
    """Print the seconds of a training step, by the clock and of the processor, as JSON; returns exit code 0."""
    block = make_our_loop(prepare_run(*chosen))
    block(num_steps)
    print(json.dumps(block(num_steps)))
    return 0


def _run(command: Sequence[str], settings: Sequence[str]) -> str:
    """Run a command with these settings of the process, and return what it prints.

    Raises:
        RuntimeError: If it fails.
    """
    environment = os.environ | {VARIABLE: ",".join(settings)}
    environment.pop("PYTHONSAFEPATH", None)  # as `dlexp benchmark` has; dlexp is imported from the folder of its checkout
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
