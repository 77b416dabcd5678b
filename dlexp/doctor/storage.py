"""The folders that a run reads and writes: whether they can be written, how much space is free, what their disk lacks."""

import getpass
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dlexp.doctor.findings import Finding, Section, format_bytes, note, problem
from dlexp.machine.locks import try_lock_file
from dlexp.run.record.layout import find_run_folders

MIN_FREE = 100 * 2**20  # bytes; a run folder takes a few hundred kB, and a study has hundreds of runs
ENOUGH_FREE = 2**30
LACKING = {
    "locks": "has no locks ({}): give a command once at a time, on one machine, as two starts of one run may stop each other.",
    "files": "cannot bring files to the disk at once ({}): a power failure may undo what was written last.",
    "folders": "cannot bring folders to the disk at once ({}): a power failure may undo what was written last.",
    "replacing": "cannot replace a file that is open ({}): close tables and reports before a run writes them again.",
}
TRY_LOCK = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"  # a program
TITLES = {"dataset.cache_dir": "image cache", "TORCHINDUCTOR_CACHE_DIR": "compile cache"}


@dataclass(frozen=True)
class Folder:
    """One folder.

    Args:
        key: The setting that names it.
        path: It need not exist yet.
        needed: Whether the run writes into it.
        free: Bytes free, or None if it cannot be written.
        error: Why it cannot be written, or None.
        shared: Whether other users may write into it.
        lacks: What its file system cannot do that runs rely on, a key of LACKING each → why not.
        has_runs: Whether there are runs in it.
    """

    key: str
    path: str
    needed: bool
    free: int | None
    error: str | None
    shared: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)
    has_runs: bool = False


def list_folders(config: Mapping[str, Any], *, downloads: bool) -> dict[str, tuple[str, bool]]:
    """Map each setting to its folder, and to whether the run writes into it.

    Args:
        config: Resolved.
        downloads: Whether the run has to download its data.
    """
    found = {"output_dir": (config["output_dir"], True), "data_dir": (config["data_dir"], downloads)}
    if "cache_dir" in config["dataset"]:
        found["dataset.cache_dir"] = config["dataset"]["cache_dir"], True
    return found | {"TORCHINDUCTOR_CACHE_DIR": (str(find_compile_cache()), bool(config["hardware"]["compile"]))}


def find_compile_cache() -> Path:
    """The folder in which torch.compile saves its results, by torch's rule."""
    if chosen := os.environ.get("TORCHINDUCTOR_CACHE_DIR"):
        return Path(chosen)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container the user may have a number and no name
        user = str(os.getuid())
    return Path(tempfile.gettempdir()) / ("torchinductor_" + re.sub(r'[\\/:*?"<>|]', "_", user))


def examine_folder(key: str, path: str, *, needed: bool) -> Folder:
    """Try to write into a folder, or into the one in which it would be created. Leaves no file."""
    place = Path(path).expanduser().absolute()
    place = next(folder for folder in (place, *place.parents) if folder.exists())
    try:
        # Permission bits are not enough: they do not bind root, and say nothing of a full or read-only disk.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0")
        with tempfile.TemporaryDirectory(dir=place, prefix=".dlexp-") as folder:
            lacks = find_lacking(Path(folder)) if needed else {}
    except OSError as error:
        return Folder(key, path, needed, None, f"{place}: {error.strerror}")
    shared = place == Path(path).expanduser().absolute() and _may_others_write(place.stat())
    has_runs = key == "output_dir" and place == Path(path).expanduser().absolute() and _has_runs(place)
    return Folder(key, path, needed, shutil.disk_usage(place).free, None, shared, lacks, has_runs)


def _may_others_write(state: os.stat_result) -> bool:
    """Whether others than this user and root may write into a folder. A user's own group is not counted as others."""
    groups = state.st_mode & stat.S_IWGRP and state.st_gid != os.getegid()
    return bool(state.st_mode & stat.S_IWOTH or groups or state.st_uid not in (os.geteuid(), 0))


def _has_runs(folder: Path) -> bool:
    return next(find_run_folders(folder, lambda error: None), None) is not None


def find_lacking(folder: Path) -> dict[str, str]:
    """Try in an empty folder what runs rely on; returns what fails there, a key of LACKING each → why."""
    lacks = {}
    for name, work in {"locks": _lock, "files": _sync_file, "folders": _sync, "replacing": _replace}.items():
        try:
            work(folder)
        except OSError as error:
            lacks[name] = error.strerror or str(error)
    return lacks


def _lock(folder: Path) -> None:
    """Lock a file, and let another process try to lock it, before and after it is unlocked."""
    file = try_lock_file(folder / "lock")
    if file is None:
        raise OSError("a lock is not given")
    try:
        if file.problem:
            raise OSError(file.problem)
        if _locks_elsewhere(file.path):
            raise OSError("a lock does not keep another process out")
    finally:
        file.close()
    if not _locks_elsewhere(file.path):
        raise OSError("a lock stays when it is released")


def _locks_elsewhere(path: Path) -> bool:
    """Whether another process can lock a file."""
    command = [sys.executable, "-I", "-S", "-c", TRY_LOCK, str(path)]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def _sync_file(folder: Path) -> None:
    (folder / "file").write_bytes(b"\0")
    _sync(folder / "file")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(folder: Path) -> None:
    for name in ("old", "new"):
        (folder / name).write_bytes(b"\0")
    with (folder / "old").open("rb"):
        (folder / "new").replace(folder / "old")


def judge(folders: list[Folder]) -> list[Finding]:
    """Which folders the run cannot write into. Those that it only reads are not judged."""
    findings = []
    for folder in folders:
        if not folder.needed:
            continue
        name = f"{folder.key}={folder.path}"
        if folder.error:
            findings.append(problem(f"{name} cannot be written ({folder.error}): choose another folder."))
        elif folder.free is not None and folder.free < ENOUGH_FREE:
            say = problem if folder.free < MIN_FREE else note
            findings.append(say(f"{name} has {format_bytes(folder.free)} free: delete files, or choose another folder."))
        if folder.shared:
            findings.append(note(f"{name}: other users may write into it, and can change or delete what you leave there."))
        findings += [note(f"{name} is on a file system that {LACKING[what].format(why)}") for what, why in folder.lacks.items()]
    return findings


def build_section(folders: list[Folder]) -> Section:
    """The section on the folders."""
    lines = [
        (
            TITLES.get(folder.key, folder.key),
            f"{folder.path}: " + ("not writable" if folder.free is None else f"{format_bytes(folder.free)} free"),
        )
        for folder in folders
    ]
    lines += [
        ("runs", f"dlexp verify {shlex.quote(folder.path)} finds files of them that are damaged")
        for folder in folders
        if folder.has_runs
    ]
    return Section("folders", {"folders": [asdict(folder) for folder in folders]}, lines, judge(folders))
