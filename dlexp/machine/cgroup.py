"""The limits of this process's control group on Linux: a container, batch job or service has less than the whole machine."""

from collections.abc import Iterator
from pathlib import Path

from dlexp.machine.files import read_system_file

MOUNT = Path("/sys/fs/cgroup")
NO_LIMIT = 2**60  # bytes; version 1 writes a larger number for "no limit"


def memory_limit(mount: Path = MOUNT, groups: str | None = None) -> tuple[int, int] | None:
    """The tightest limit on memory.

    Args:
        mount: Where control groups are mounted.
        groups: Content of /proc/self/cgroup, or None to read it.

    Returns:
        The limit in bytes, and the bytes in use that the system cannot free; None if there is no limit.
    """
    found = []
    for folder in _folders(mount, "memory", groups):
        version1 = (folder / "memory.limit_in_bytes").is_file()
        limit = _number(folder / ("memory.limit_in_bytes" if version1 else "memory.max"))
        if limit is not None and limit < NO_LIMIT:
            used = _number(folder / ("memory.usage_in_bytes" if version1 else "memory.current")) or 0
            # The system frees cached files when memory runs short.
            fields = dict(line.split(maxsplit=1) for line in read_system_file(folder / "memory.stat").splitlines())
            cached = int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
            found.append((limit, max(0, used - cached)))
    return min(found, key=lambda pair: pair[0] - pair[1], default=None)


def cpu_limit(mount: Path = MOUNT, groups: str | None = None) -> float | None:
    """The tightest limit on processor time, in cores; None if there is no limit. Arguments as in `memory_limit`."""
    found = []
    for folder in _folders(mount, "cpu", groups):
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if (folder / "cpu.max").is_file():
            quota, period = (int(word) if word.isdigit() else None for word in (folder / "cpu.max").read_text().split())
        if quota and period and quota > 0:
            found.append(quota / period)
    return min(found, default=None)


def _folders(mount: Path, controller: str, groups: str | None) -> Iterator[Path]:
    """The folder of this process's group and of each group above it, in versions 1 and 2 of control groups."""
    text = read_system_file(Path("/proc/self/cgroup")) if groups is None else groups
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        if not names or controller in names.split(","):
            root = mount / controller if names else mount
            inside = Path(path.lstrip("/"))
            yield from (root / folder for folder in (inside, *inside.parents) if (root / folder).is_dir())


def _number(path: Path) -> int | None:
    text = read_system_file(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None
