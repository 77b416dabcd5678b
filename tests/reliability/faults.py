"""Makes one file operation of a run fail, or ends the process there, and then lets the run be finished.

    python -m tests.reliability.faults ROOT STRIDE override ...

The faults come from outside: operations on files below ROOT are counted in a fork of this process, and the k-th of them fails.
Every STRIDE-th operation is taken, in each of the modes. Prints, as JSON, the folder of each case and how its first start
ended.
"""

import builtins
import errno
import io
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import torch

from dlexp.errors import DiskError
from tests.reliability.harness import train

MODES = ("ENOSPC", "EIO", "kill", "torn")
OPERATIONS = ("fsync", "replace", "unlink", "rmdir", "mkdir", "truncate")


class Faults:
    """Counts operations, and lets one of them go wrong.

    Args:
        root: Whose files count.
        number: Of the operation that goes wrong, from 1; 0: none.
        mode: ENOSPC or EIO: an OSError; kill: SIGKILL before it; torn: SIGKILL after half of a write.
    """

    def __init__(self, root: Path, number: int, mode: str) -> None:
        self.root, self.number, self.mode, self.count = str(root), number, mode, 0
        self.open = io.open
        io.open = builtins.open = self._open
        for name in OPERATIONS:
            setattr(os, name, self._counted(getattr(os, name)))

    def _happens(self) -> bool:
        self.count += 1
        if self.count != self.number:
            return False
        if self.mode in ("ENOSPC", "EIO"):
            number = getattr(errno, self.mode)
            raise OSError(number, os.strerror(number))
        return True

    def _counted(self, operation):
        def counted(target, *arguments, **options):
            below = not isinstance(target, str | Path) or str(target).startswith(self.root) or options.get("dir_fd") is not None
            if below and self._happens():
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(target, *arguments, **options)

        return counted

    def _open(self, path, mode="r", *arguments, **options):
        file = self.open(path, mode, *arguments, **options)
        if str(path).startswith(self.root) and mode[0] in "wax":
            write = file.write

            def counted(content):
                if self._happens():
                    if self.mode == "torn":
                        write(content[: len(content) // 2])
                        file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
                return write(content)

            file.write = counted
        return file


def start(overrides: list[str], root: Path, number: int, mode: str) -> tuple[str, int]:
    """Train in a fork of this process.

    Returns:
        How it ended (done, disk, killed, failed), and the operations that it did.
    """
    report, child = root.parent / f"{root.name}.count", os.fork()
    if not child:
        code = 1
        try:
            faults = Faults(root, number, mode)
            train(overrides, root)
            code = 0
        except DiskError:
            code = 5
        except BaseException:
            traceback.print_exc()
        finally:
            with faults.open(report, "w") as file:
                file.write(str(faults.count))
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended = {0: "done", 5: "disk", -signal.SIGKILL: "killed"}.get(code, "failed")
    return ended, int(report.read_text()) if code >= 0 else 0


def main(root: Path, stride: int, overrides: list[str]) -> dict[str, str]:
    """Every case of one run."""
    train([*overrides, "seed=99"], root / "warm")
    _, count = start(overrides, root / "whole", 0, "")
    cases = {}
    for mode in MODES:
        for number in range(1 + MODES.index(mode) % stride, count + 1, stride):
            folder = root / f"{mode}-{number}"
            cases[folder.name] = start(overrides, folder, number, mode)[0]
            ended, _ = start(overrides, folder, 0, "")
            if ended != "done":
                raise SystemExit(f"{folder.name} ended with {cases[folder.name]}, and the start after it with {ended}")
    return cases


if __name__ == "__main__":
    _, where, every, *given = sys.argv
    torch.set_num_threads(1)
    print(json.dumps(main(Path(where), int(every), given)))
