"""What starts that were broken leave behind."""

import re
import resource
from pathlib import Path

from filelock import FileLock, Timeout

from tests.reliability.harness import content


def contents(root: Path) -> dict[str, dict[str, str]]:
    """Run folder → what must be the same; the states on the way are saved when there is time."""
    return {
        path.parent.name: {name: it for name, it in content(path.parent).items() if not name.startswith("checkpoints/step")}
        for path in sorted(root.glob("adhoc/*/summary.json"))
    }


def is_held(path: Path) -> bool:
    """Whether a process has the lock."""
    try:
        with FileLock(path).acquire(blocking=False):
            return False
    except Timeout:
        return True


def children() -> list[str]:
    """Processes, dead ones that nobody waits for among them, whose parent is this one."""
    (task,) = Path("/proc/self/task").iterdir()
    return [f"process {pid}" for pid in (task / "children").read_text().split()]


def shared_memory() -> set[str]:
    """Shared memory that names no living process."""
    names = (path.name for path in Path("/dev/shm").iterdir())
    return {name for name in names if not any(Path("/proc", pid).exists() for pid in re.findall(r"\d+", name))}


def resident() -> float:
    """MiB of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
