"""The folders that a run reads and writes: whether they can be written, and how much fits."""

import getpass
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlexp.doctor.findings import Finding, Section, in_bytes, note, problem

LEAST = 100 * 2**20  # bytes; a run folder takes a few hundred kB, and a study has hundreds of them
COMFORTABLE = 2**30
SHORT = {"dataset.cache_dir": "image cache", "TORCHINDUCTOR_CACHE_DIR": "compile cache"}


@dataclass(frozen=True)
class Folder:
    """One folder.

    Args:
        key: The setting that names it.
        path: Where it lies; it need not be there yet.
        needed: Whether the run writes into it.
        free: Bytes free there, or None where there is no such place.
        error: Why nothing can be written there, or None.
    """

    key: str
    path: str
    needed: bool
    free: int | None
    error: str | None


def places(config: Mapping[str, Any], *, downloads: bool) -> dict[str, tuple[str, bool]]:
    """Setting → folder, and whether the run writes into it.

    Args:
        config: Resolved.
        downloads: Whether the run has to fetch its data.
    """
    found = {"output_dir": (config["output_dir"], True), "data_dir": (config["data_dir"], downloads)}
    if "cache_dir" in config["dataset"]:
        found["dataset.cache_dir"] = config["dataset"]["cache_dir"], True
    return found | {"TORCHINDUCTOR_CACHE_DIR": (str(compile_cache()), bool(config["hardware"]["compile"]))}


def compile_cache() -> Path:
    """Where torch.compile keeps what it has made, as torch chooses it."""
    if chosen := os.environ.get("TORCHINDUCTOR_CACHE_DIR"):
        return Path(chosen)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = str(os.getuid())
    return Path(tempfile.gettempdir()) / ("torchinductor_" + re.sub(r'[\\/:*?"<>|]', "_", user))


def look(key: str, path: str, *, needed: bool) -> Folder:
    """Try to write where the folder is, or where it would be made; leaves nothing there."""
    place = Path(path).expanduser().absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        # Permission bits tell too little: root passes them, and a full or read-only disk has them as well.
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0")
    except OSError as error:
        return Folder(key, path, needed, None, f"{place}: {error.strerror}")
    return Folder(key, path, needed, shutil.disk_usage(place).free, None)


def judge(folders: list[Folder]) -> list[Finding]:
    """Which folders the run cannot write into; those that it only reads are left in peace."""
    findings = []
    for folder in folders:
        if not folder.needed:
            continue
        name = f"{folder.key}={folder.path}"
        if folder.error:
            findings.append(problem(f"{name} cannot be written ({folder.error}): choose another folder."))
        elif folder.free is not None and folder.free < COMFORTABLE:
            say = problem if folder.free < LEAST else note
            findings.append(say(f"{name} has {in_bytes(folder.free)} free: make room, or choose another folder."))
    return findings


def section(folders: list[Folder]) -> Section:
    """The folders."""
    lines = [
        (
            SHORT.get(folder.key, folder.key),
            f"{folder.path}  {in_bytes(folder.free)} free" if folder.free is not None else f"{folder.path}  not writable",
        )
        for folder in folders
    ]
    return Section("folders", {"folders": [asdict(folder) for folder in folders]}, lines, judge(folders))
