"""One command of train.py in a process with a limit on its memory, counted from when all modules are loaded.

    python -m tests.reliability.limited ROOT MEBIBYTES KNOWN override ...

KNOWN is `known`, or `unknown`: the estimate of memory then knows nothing of the limit. Ends with the exit code of train.py.
"""

import resource
import runpy
import sys
from pathlib import Path

import torch

from dlexp.machine import memory
from tests.runs import run


def main(root: Path, mebibytes: int, known: str, overrides: list[str]) -> None:
    """Train under the limit, in a folder of `root`."""
    resource.setrlimit(resource.RLIMIT_AS, (2**46,) * 2)  # a limit from the start, as under `ulimit -v`, but a high one
    run("dataset=moons", "model=mlp", "max_steps=2", root=root / "warm")  # loads the modules that are imported late
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + mebibytes * 2**20,) * 2)
    if known == "unknown":
        memory._addresses = lambda: None
    sys.argv = ["train.py", *overrides, "hardware=cpu", f"output_dir={root / 'limited'}"]
    runpy.run_path("train.py", run_name="__main__")


if __name__ == "__main__":
    torch.set_num_threads(1)
    _, where, most, word, *given = sys.argv
    main(Path(where), int(most), word, given)
