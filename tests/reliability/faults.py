"""Makes one file operation of a run, a sweep or a study fail, or ends the process there, or moves the run's folder away.

    python -m tests.reliability.faults WORK ROOT STRIDE OFFSET MODES override ...

The faults come from outside: operations on files below ROOT are counted in a fork of this process, and the k-th of them fails.
Every STRIDE-th operation is taken, from another one on for each OFFSET below STRIDE, in each of the modes, which commas
divide. After each fault the same command is given again. Prints, as JSON, the folder of each case, the exit code of its first
start, and what is wrong after it.
"""

import builtins
import contextlib
import errno
import io
import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import torch

from dlexp.analysis.report import figures
from dlexp.commands.attempt import attempt
from dlexp.config.compose import compose
from dlexp.run.record.verify import verify_run
from dlexp.study.definition import read_study
from dlexp.study.request import compose_runs, narrow
from dlexp.study.run import run_study
from dlexp.study.sweep import check_cells, sweep
from tests.reliability.harness import train
from tests.runs import only_last

REFUSALS = ("ENOSPC", "EIO", "EACCES")
OPERATIONS = ("open", "fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "truncate", "scandir", "listdir", "utime")
NO_SENTENCE = 99


class Faults:
    """Counts operations, and lets one of them go wrong.

    Args:
        root: Whose files count.
        number: Of the operation that goes wrong, from 1; 0: none.
        mode: One of REFUSALS: an OSError; kill: SIGKILL before it; torn: SIGKILL after half of a write; one of MOVES: that,
            before the operation.
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
        if self.mode in REFUSALS:
            number = getattr(errno, self.mode)
            raise OSError(number, os.strerror(number))
        if self.mode in MOVES:
            MOVES[self.mode](Path(self.root))
            return False
        return True

    def _is_below(self, target) -> bool:
        if isinstance(target, int):
            with contextlib.suppress(OSError):
                return os.readlink(f"/proc/self/fd/{target}").startswith(self.root)
        return str(target).startswith(self.root)

    def _counted(self, operation):
        def counted(target=".", *arguments, **options):
            if (self._is_below(target) or options.get("dir_fd") is not None) and self._happens():
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(target, *arguments, **options)

        return counted

    def _open(self, path, mode="r", *arguments, **options):
        below = self._is_below(path)
        if below and not isinstance(path, int) and self._happens():
            os.kill(os.getpid(), signal.SIGKILL)
        file = self.open(path, mode, *arguments, **options)
        if below and mode[0] in "wax":
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


def find_folder(root: Path) -> Path | None:
    """The folder of a run that has begun."""
    return next(root.glob("adhoc/*-*"), None)


def rename(root: Path) -> None:
    """Move the folder of the run out of the study's."""
    if folder := find_folder(root):
        (root / "elsewhere").mkdir()
        folder.rename(root / "elsewhere" / folder.name)


def replace(root: Path) -> None:
    """Move it away, and make another one, of somebody else, in its place."""
    if folder := find_folder(root):
        rename(root)
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")


def remove(root: Path) -> None:
    """Remove the folder of the run."""
    if folder := find_folder(root):
        shutil.rmtree(folder)


def empty(root: Path) -> None:
    """Remove the tables and arrays of a run that has not ended; a finished one would be damaged, which is another case."""
    for path in [*root.glob("adhoc/*-*/metrics.csv"), *root.glob("adhoc/*-*/arrays/*")]:
        if not (root / "adhoc" / path.relative_to(root / "adhoc").parts[0] / "summary.json").exists():
            path.unlink()


def unlock(root: Path) -> None:
    """Remove the locks, so that another process can begin with the run."""
    shutil.rmtree(root / "adhoc/.locks", ignore_errors=True)


def move_all(root: Path) -> None:
    """Move the folder of all runs away."""
    if (root / "adhoc").exists():
        (root / "adhoc").rename(root / "elsewhere")


MOVES = {
    "renamed": rename,
    "replaced": replace,
    "removed": remove,
    "emptied": empty,
    "unlocked": unlock,
    "all moved": move_all,
}


def train_run(overrides: list[str], root: Path) -> int:
    """Train one run."""
    return train(overrides, root)


def train_sweep(overrides: list[str], root: Path) -> int:
    """Train two runs."""
    cells = [compose(only_last((*overrides, f"output_dir={root}", "hardware=cpu", f"seed={seed}"))) for seed in (0, 1)]
    return sweep(check_cells(cells), "dlexp train -m")


def train_study(overrides: list[str], root: Path) -> int:
    """Train the two runs of a study, and write its report."""
    path = root.parent / "tiny.yaml"
    if not path.exists():
        base = dict(text.split("=", 1) for text in only_last((*overrides, "hardware=cpu")))
        content = {"question": "Which?", "background": "A test.", "base": base, "axes": {"activation": ["relu", "tanh"]}}
        path.write_text(json.dumps(content | {"seeds": [0]}))
    study = read_study(str(path))
    request = narrow(study, [f"output_dir={root}"])
    return run_study(study, request, check_cells(compose_runs(study, request), study.name), "dlexp train").code


WORKS = {"run": train_run, "sweep": train_sweep, "study": train_study}


def start(work: str, overrides: list[str], root: Path, number: int, mode: str) -> tuple[int, int]:
    """Do the work in a fork of this process.

    Returns:
        Its exit code, NO_SENTENCE after a traceback, or minus the signal that ended it; and the operations that it did.
    """
    report, child = root.parent / f"{root.name}.count", os.fork()
    if not child:
        code = NO_SENTENCE
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            faults = Faults(root, number, mode)
            code = attempt(lambda: WORKS[work](overrides, root))
        except BaseException:
            traceback.print_exc()
        finally:
            with faults.open(report, "w") as file:
                file.write(str(faults.count))
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, int(report.read_text()) if code >= 0 else 0


def find_wrong(root: Path) -> list[str]:
    """What a start has left that no run may leave: finished runs without their files, and files in another's folder.

    What was being written in the instant at which the folder was replaced may lie in the new one: one file, or checkpoints/.
    """
    finished = [verify_run(path.parent) for path in [*root.glob("*/*/summary.json"), *root.glob("*/summary.json")]]
    wrong = [f"{found.path.name}: {found.problems}" for found in finished if found.problems]
    for notes in root.glob("adhoc/*/notes.txt"):
        written = [path.name for path in notes.parent.iterdir() if path != notes]
        wrong += [f"wrote {written}"] if len(written) > 1 or "summary.json" in written else []
        shutil.rmtree(notes.parent)
    return wrong


def main(
    work: str, root: Path, stride: int, offset: int, modes: list[str], overrides: list[str]
) -> dict[str, tuple[int, list[str]]]:
    """Every case of one kind of work."""
    start(work, [*overrides, "seed=99"] if work == "run" else overrides, root / "warm", 0, "")
    code, count = start(work, overrides, root / "whole", 0, "")
    assert code == 0, "without a fault"
    cases = {}
    for mode in modes:
        for number in range(1 + (modes.index(mode) + offset) % stride, count + 1, stride):
            folder = root / f"{mode}-{number}"
            code, _ = start(work, overrides, folder, number, mode)
            wrong = find_wrong(folder)
            shutil.rmtree(folder / "elsewhere", ignore_errors=True)
            again, _ = start(work, overrides, folder, 0, "")
            cases[folder.name] = code, wrong + ([f"the start after it ended with {again}"] if again else [])
    return cases


if __name__ == "__main__":
    _, kind, where, every, first, which, *given = sys.argv
    torch.set_num_threads(1)
    del figures.SECTIONS[1:]  # to draw them takes longest, and all figures are written alike
    print(json.dumps(main(kind, Path(where), int(every), int(first), which.split(","), given)))
