"""R44: inject a fault into a sweep of three runs every few seconds, for a number of minutes.

    python -m tests.reliability.chaos FOLDER --minutes 20 --seed 0

Each fault is printed as a line: a kill, a SIGTERM, a full disk, a damaged newest state, or a second start at the same time.
When the three runs are done, they are compared with runs without faults, and it begins again in a fresh folder. The last line
is the count, as JSON; the exit code is 1 if there was a violation. Most starts are forks of this process, which has loaded
torch once; every eighth is the command as a user types it.
"""

import argparse
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from dlexp.machine.locks import is_locked
from dlexp.run import signals
from dlexp.study.sweep import check_cells, sweep
from tests.reliability import leftovers, starts
from tests.reliability.harness import lost, whole
from tests.reliability.starts import Start

COMMAND_EVERY = 8  # starts
MAX_SECONDS_TO_END = 60.0  # of a start that got a signal
MAX_SECONDS_UNDISTURBED = 1200.0  # of all runs, without faults
MAX_GROWTH = 64  # MiB of this process, from the first comparison on
SECONDS_UNTIL_GONE = 15.0  # after which a dead start has no processes left; torch's workers check their parent every 5 s
SUBREAPER = 36  # prctl: what dead starts leave behind becomes a child of this process


class FaultInjector:
    """Starts the sweep, injects faults into it, and checks what it leaves.

    Args:
        folder: Fresh; gets `reference`, a folder for each round, and `starts.log` with the output of the starts.
        seed: Of the faults and their instants.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.choose, self.begun = folder, random.Random(seed), time.monotonic()
        self.alive: dict[int, Start] = {}
        self.starts, self.comparisons, self.longest = 0, 0, 0.0
        self.faults: Counter[str] = Counter()
        self.violations: list[str] = []
        self.memory: list[float] = []
        self.shared = leftovers.shared_memory()
        self.fault_kinds = {
            "kill": self.kill,
            "term": self.term,
            "full": self.full,
            "corrupt": self.corrupt,
            "second": self.second,
        }

    def work(self, minutes: float) -> None:
        """Do rounds until the time is up; the last round is finished without further faults."""
        reference = self._reference()
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            root = self.folder / f"round-{self.comparisons + 1}"
            while time.monotonic() < end and not self._finished(root):
                self._break(root, end)
            self._compare(root, reference)

    def _reference(self) -> dict[str, dict[str, str]]:
        """Train each run without faults, and load all modules, so that a fork need not; returns the content of the runs."""
        for name in ("warm-1", "warm-2"):
            with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
                sweep(check_cells(starts.cells(self.folder / name, *starts.WARM_UP)), "warm")
        begun = time.monotonic()
        self._start(self.folder / "reference", {0})
        self._wait(MAX_SECONDS_UNDISTURBED)
        self.say(f"the runs take {time.monotonic() - begun:.0f} s without faults")
        return leftovers.contents(self.folder / "reference")

    def _finished(self, root: Path) -> bool:
        return len(list(root.glob("adhoc/*/summary.json"))) == len(starts.RUNS)

    def _break(self, root: Path, end: float) -> None:
        """Inject one fault, one to five seconds after the last."""
        self._reap()
        if not self.alive:
            self._start(root, {0}, typed=self.starts % COMMAND_EVERY == 0)
        until = min(end, time.monotonic() + self.choose.uniform(1, 5))
        while self.alive and time.monotonic() < until:
            time.sleep(0.05)
            self._reap()
        if self.alive and time.monotonic() < end:
            name = self.choose.choice(sorted(self.fault_kinds))
            description = self.fault_kinds[name](root)
            self.faults[name] += 1
            self.say(f"{name}: {description}")
            if not self.alive:
                self.violations += lost(root)

    def kill(self, root: Path) -> str:
        """Send SIGKILL."""
        return f"{len(self._end(signal.SIGKILL))} killed"

    def term(self, root: Path) -> str:
        """Send SIGTERM, upon which the step is finished and the state saved."""
        begun = time.monotonic()
        count = len(self._end(signal.SIGTERM))
        self.longest = max(self.longest, time.monotonic() - begun)
        return f"{count} ended in {time.monotonic() - begun:.2f} s"

    def full(self, root: Path) -> str:
        """Start with a limit on the size of files: it ends with 5, or with 0 if the rest of the work stays below the limit."""
        self._end(signal.SIGKILL)
        sizes = [path.stat().st_size for path in root.rglob("step-*.pt")]
        most = self.choose.choice([500, 3_000, int(0.9 * min(sizes, default=10_000))])
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._start(root, {0, 5}, before=partial(starts.limit, most, writer))
        codes, printed = self._wait(), ""
        with contextlib.suppress(BlockingIOError):
            printed = os.read(reader, 2**16).decode().strip()
        os.close(reader)
        os.close(writer)
        if codes not in ([0], [5]):
            self.say(printed)
        return f"a start with {most} bytes a file ended with {codes}"

    def corrupt(self, root: Path) -> str:
        """Damage the newest state of a run whose previous state is whole."""
        self._end(signal.SIGKILL)
        unfinished = [path.parent for path in root.glob("adhoc/*/checkpoints") if not (path.parent / "summary.json").exists()]
        states = [found for run in unfinished if len(found := whole(run)) > 1]
        if not states:
            return "no run has two whole states"
        newest = self.choose.choice(states)[0]
        damage = self.choose.choice(sorted(DAMAGES))
        DAMAGES[damage](newest, self.choose)
        return f"{newest.parents[1].name}/{newest.name} {damage}"

    def second(self, root: Path) -> str:
        """Start the sweep a second time: both share the work, but never a run."""
        typed = self.choose.random() < 0.2
        self._start(root, {0, 3}, typed=typed)
        return f"{len(self.alive)} at work"

    def _start(self, root: Path, codes: set[int], *, typed: bool = False, before: Callable[[], None] | None = None) -> None:
        """Start the sweep in a fork, or one of its runs by the command as a user types it."""
        root.mkdir(exist_ok=True)
        self.starts += 1
        with (self.folder / "starts.log").open("a") as log:
            work = partial(starts.type_command, root, self.choose) if typed else partial(starts.sweep_of, root)
            pid = starts.fork(log.fileno(), before, work)
        # A single run that another start holds ends with 3; a sweep skips it.
        self.alive[pid] = Start(typed, codes | {3} if typed else codes)

    def _end(self, number: int) -> list[int]:
        """Send a signal to every start and wait for them; returns their exit codes."""
        for pid, start in self.alive.items():
            # A signal that arrives before the command has installed its handlers ends it.
            start.codes.update({-number} if number == signal.SIGKILL or start.typed else (), {signals.RESUMABLE})
            os.kill(pid, number)
        return self._wait()

    def _wait(self, most: float = MAX_SECONDS_TO_END) -> list[int]:
        """Wait until no start is left; returns their exit codes."""
        codes, end = [], time.monotonic() + most
        while self.alive:
            codes += self._reap()
            if time.monotonic() > end and self.alive:
                self.violate(f"still there after {most:.0f} s: {self.alive}")
                for pid in self.alive:
                    os.kill(pid, signal.SIGKILL)
                end += MAX_SECONDS_TO_END
            time.sleep(0.01)
        return codes

    def _reap(self) -> list[int]:
        """Return the exit codes of the starts that have ended; orphans of dead starts are reaped, too."""
        codes = []
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if start := self.alive.pop(ended[0], None):
                    codes.append(os.waitstatus_to_exitcode(ended[1]))
                    if codes[-1] not in start.codes:
                        self.violate(f"{start} ended with {codes[-1]}")
        return codes

    def _compare(self, root: Path, reference: dict[str, dict[str, str]]) -> None:
        """Finish the runs, and compare everything that they left with the reference."""
        self._wait(MAX_SECONDS_UNDISTURBED)
        self._start(root, {0})
        self._wait(MAX_SECONDS_UNDISTURBED)
        self.comparisons += 1
        found = leftovers.contents(root)
        different = [name for name, files in reference.items() if found.get(name) != files]
        problems = [f"{name} differs from the run without faults" for name in different]
        problems += [f"{path} is left" for path in root.rglob("*.tmp")]
        problems += [f"{path} is held" for path in root.rglob("*.lock") if is_locked(path)] + lost(root) + self._left_behind()
        for problem in problems:
            self.violate(problem)
        self.memory.append(leftovers.resident())
        if self.memory[-1] > self.memory[0] + MAX_GROWTH:
            self.violate(f"this process has grown from {self.memory[0]:.0f} to {self.memory[-1]:.0f} MiB")
        self.say(f"comparison {self.comparisons}: {len(reference) - len(different)} of {len(reference)} runs are the same")
        if not problems:
            shutil.rmtree(root)

    def _left_behind(self) -> list[str]:
        """List processes and shared memory that outlive their starts."""
        end = time.monotonic() + SECONDS_UNTIL_GONE
        while (left := leftovers.children() + sorted(leftovers.shared_memory() - self.shared)) and time.monotonic() < end:
            self._reap()
            time.sleep(0.1)
        return [f"{one} is left" for one in left]

    def violate(self, text: str) -> None:
        """Record and print a violation."""
        self.violations.append(text)
        self.say(f"VIOLATION: {text}")

    def say(self, text: str) -> None:
        """Print a line with the time."""
        print(f"{time.monotonic() - self.begun:8.1f} s  {text}", flush=True)

    def summary(self) -> dict[str, object]:
        """Count what happened."""
        return {
            "seconds": round(time.monotonic() - self.begun),
            "faults": dict(sorted(self.faults.items()), total=self.faults.total()),
            "starts": self.starts,
            "comparisons": self.comparisons,
            "longest_term_seconds": round(self.longest, 2),
            "memory_mib": [round(self.memory[0]), round(self.memory[-1])],
            "violations": self.violations,
        }


def _flip(path: Path, choose: random.Random) -> None:
    bits = bytearray(path.read_bytes())
    bits[choose.randrange(len(bits))] ^= 1 << choose.randrange(8)
    path.write_bytes(bits)


DAMAGES = {
    "with a bit flipped": _flip,
    "cut off": lambda path, choose: os.truncate(path, choose.randrange(path.stat().st_size)),
    "without its sidecar": lambda path, _: path.with_suffix(".json").unlink(),
}


def main() -> int:
    """Read the command line and inject faults; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    given.folder.mkdir(parents=True)
    injector = FaultInjector(given.folder.absolute(), given.seed)
    injector.work(given.minutes)
    print(json.dumps(injector.summary()))
    return int(bool(injector.violations))


if __name__ == "__main__":
    sys.exit(main())
