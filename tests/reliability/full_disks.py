"""Trains on disks of many sizes, each too small, and goes on when there is room. Runs where it may mount: `unshare -rm`.

    python -m tests.reliability.full_disks ROOT NUM_SIZES override ...

Prints as JSON, for each size in KiB, the exit codes of both starts and the messages.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch

from dlexp.run.record import disk
from tests.reliability.harness import content, fork, train, wait

SMALLEST, LARGEST = 12, 164  # KiB: from half of the config to a few states


def main(root, num_sizes, overrides):
    for name in ("warm", "whole"):
        train(overrides, root / name)
    found = {}
    for number in range(num_sizes):
        size = SMALLEST + (LARGEST - SMALLEST) * number // (num_sizes - 1)
        place = root / f"{size}"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place], check=True)
        errors = root / f"{size}.err"
        first = wait(fork(overrides, place / "root", partial(start_without_check, errors)))
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        second = wait(fork(overrides, place / "root", partial(write_errors_to, errors)))
        left = [path.name for path in place.rglob("*.tmp")]
        same = bool(left_in(place / "root")) and left_in(place / "root") == left_in(root / "whole")
        found[size] = {"codes": [first, second], "printed": errors.read_text(), "left": left, "same": same}
        subprocess.run(["umount", place], check=True)
    return found


def start_without_check(path):
    """Skip the check of free space, so that the disk becomes full during the run."""
    write_errors_to(path)
    disk.check_room = lambda *_: None


def write_errors_to(path):
    """Write stderr to another disk, because this one is full."""
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)


def left_in(root):
    return [content(path.parent) for path in (root / "adhoc").glob("*/summary.json")]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
