"""Kills the start with force=true of a finished run at its file operations, and lets the run be finished.

    python -m tests.reliability.forced ROOT STRIDE override ...

Every STRIDE-th operation is taken, of those that empty the folder each one. The start after it has force=true too in every
second case. Prints, as JSON, the folder of each case and how its first start ended.
"""

import json
import shutil
import sys
from pathlib import Path

import torch

from tests.reliability.faults import start

EMPTYING = 40  # more operations than it takes to empty the folder


def main(root: Path, stride: int, overrides: list[str]) -> dict[str, int]:
    """Every case of one run."""
    start("run", overrides, root / "whole", 0, "")
    shutil.copytree(root / "whole", root / "counted")
    _, count = start("run", [*overrides, "force=true"], root / "counted", 0, "")
    numbers = sorted({*range(1, min(EMPTYING, count) + 1), *range(EMPTYING, count + 1, stride)})
    cases = {}
    for number in numbers:
        folder = root / f"kill-{number}"
        shutil.copytree(root / "whole", folder)
        cases[folder.name] = start("run", [*overrides, "force=true"], folder, number, "kill")[0]
        again = [*overrides, "force=true"] if number % 2 else overrides
        ended, _ = start("run", again, folder, 0, "")
        if ended:
            raise SystemExit(f"{folder.name} ended with {cases[folder.name]}, and the start after it with {ended}")
    return cases


if __name__ == "__main__":
    _, where, every, *given = sys.argv
    torch.set_num_threads(1)
    print(json.dumps(main(Path(where), int(every), given)))
