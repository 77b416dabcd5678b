"""The folders that a run reads and writes: whether they can be written, and how much space is free."""

import getpass
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlexp.doctor.findings import Finding, Section, format_bytes, note, problem

MIN_FREE = 100 * 2**20  # bytes; a run folder takes a few hundred kB, and a study has hundreds of runs
ENOUGH_FREE = 2**30
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
    """

    key: str
    path: str
    needed: bool
    free: int | None
    error: str | None
    shared: bool = False


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
    except OSError as error:
        return Folder(key, path, needed, None, f"{place}: {error.strerror}")
    shared = place == Path(path).expanduser().absolute() and _may_others_write(place.stat())
    return Folder(key, path, needed, shutil.disk_usage(place).free, None, shared)


def _may_others_write(state: os.stat_result) -> bool:
    """Whether others than this user and root may write into a folder. A user's own group is not counted as others."""
    groups = state.st_mode & stat.S_IWGRP and state.st_gid != os.getegid()
    return bool(state.st_mode & stat.S_IWOTH or groups or state.st_uid not in (os.geteuid(), 0))


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
    return Section("folders", {"folders": [asdict(folder) for folder in folders]}, lines, judge(folders))
