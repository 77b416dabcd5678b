"""Trains on disks of many sizes, each too small, and goes on when there is room. Runs where it may mount: `unshare -rm`.

    python -m tests.reliability.levels ROOT LEVELS override ...

Prints, as JSON, of each size in KiB how the first start ended, what it said, and how the second did.
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


def main(root, levels, overrides):
    for name in ("warm", "whole"):
        train(overrides, root / name)
    found = {}
    for level in range(levels):
        size = SMALLEST + (LARGEST - SMALLEST) * level // (levels - 1)
        place = root / f"{size}"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", place], check=True)
        told = root / f"{size}.err"
        first = wait(fork(overrides, place / "root", partial(start_blindly, told)))
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        second = wait(fork(overrides, place / "root", partial(say, told)))
        left = [path.name for path in place.rglob("*.tmp")]
        same = bool(left_in(place / "root")) and left_in(place / "root") == left_in(root / "whole")
        found[size] = {"codes": [first, second], "said": told.read_text(), "left": left, "same": same}
        subprocess.run(["umount", place], check=True)
    return found


def start_blindly(path):
    """Without a look at the room beforehand, so that the disk is full in the middle."""
    say(path)
    disk.check_room = lambda *_: None


def say(path):
    """On another disk, as this one is full."""
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)


def left_in(root):
    return [content(path.parent) for path in (root / "adhoc").glob("*/summary.json")]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
