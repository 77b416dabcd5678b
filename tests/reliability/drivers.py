"""Kills the process that drives a sweep, again and again, until the sweep is done.

    python -m tests.reliability.drivers ROOT SEED KILLS

Each start is a fork of this process, which loads torch once. Prints, as JSON, how many starts it took, and the finished runs
that a later start has touched.
"""

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from dlexp.config.compose import compose
from dlexp.config.overrides import expand
from dlexp.study.sweep import check_cells, sweep
from tests.reliability.downloads import fork
from tests.runs import MOONS, only_last

CELLS = ("norm=bn,ln,none", "activation=relu,tanh", "seed=0,1,2")  # 18


def complete(root):
    """Run the whole sweep."""
    command = only_last((*MOONS, "hardware=cpu", "epochs=6", "checkpoint_every=0", f"output_dir={root}", *CELLS))
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        if sweep(check_cells([compose(cell) for cell in expand(command)]), "python train.py -m"):
            raise SystemExit(1)


def finished(root):
    """The modification times of the files of each finished run."""
    return {
        path.parent.name: sorted((file.name, file.stat().st_mtime_ns) for file in path.parent.rglob("*") if file.is_file())
        for path in (root / "adhoc").glob("*/summary.json")
    }


def main(root, seed, kills):
    choose, starts, touched = random.Random(seed), 0, []
    complete(root / "whole")  # and loads what is left to load
    begun = time.monotonic()
    complete(root / "timing")
    whole = time.monotonic() - begun
    for _ in range(kills):
        before = finished(root / "killed")
        if len(before) == 18:
            break
        starts += 1
        driver = fork(lambda: complete(root / "killed"))
        time.sleep(choose.uniform(0, 0.1 * whole))
        os.kill(driver, signal.SIGKILL)
        os.waitpid(driver, 0)
        after = finished(root / "killed")
        touched += [name for name in before if after.get(name) != before[name]]
    before = finished(root / "killed")
    complete(root / "killed")
    after = finished(root / "killed")
    touched += [name for name in before if after.get(name) != before[name]]
    return {"starts": starts, "touched": touched, "finished": len(after)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
