"""What processes that were interrupted leave behind: files, locks, children, shared memory."""

import re
import resource
from pathlib import Path

from tests.reliability.harness import content


def contents(root: Path, study: str = "adhoc") -> dict[str, dict[str, str]]:
    """The content of each finished run that must be reproducible, by run folder; states saved on the way depend on time."""
    return {
        path.parent.name: {name: it for name, it in content(path.parent).items() if not name.startswith("checkpoints/step")}
        for path in sorted(root.glob(f"{study}/*/summary.json"))
    }


def children() -> list[str]:
    """The children of this process, zombies included."""
    (task,) = Path("/proc/self/task").iterdir()
    return [f"process {pid}" for pid in (task / "children").read_text().split()]


def shared_memory() -> set[str]:
    """Names in /dev/shm that belong to no living process."""
    names = (path.name for path in Path("/dev/shm").iterdir())
    return {name for name in names if not any(Path("/proc", pid).exists() for pid in re.findall(r"\d+", name))}


def resident() -> float:
    """The resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
