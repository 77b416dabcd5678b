"""Processes that are at the same sweep share its runs. Each has a number, and a manifest in the folder of the sweep.

They may be started on several machines by the same command. While one of them is at the sweep, it has a file locked that bears
its number. Where the file system has no locks, each believes that it is alone.
"""

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import torch

from dlexp.config import plain_json
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.machine.files import make_own_folder, write_whole
from dlexp.machine.locks import LockedFile, is_locked, locking_file, try_lock_file
from dlexp.run.plan import PlannedRun
from dlexp.run.record import disk, folder
from dlexp.run.record.forms import Manifest, NotedCheck
from dlexp.run.record.layout import LOCKS, SWEEPS
from dlexp.run.record.modules import combine

AGAIN = ("force", "retry")  # settings with which two processes would do the same runs, one after the other


class Participant:
    """This process, at a sweep.

    Args:
        sweep: The folder of the sweep.
        number: Its number.
    """

    def __init__(self, sweep: Path, number: int) -> None:
        self.manifest = sweep / f"{number}.json"
        self.began = {"pid": os.getpid(), "host": platform.node(), "started": folder.now()}
        self.is_last = False  # whether no other process is at the sweep when this one leaves it

    def write(self, content: Mapping[str, Any]) -> None:
        """Write the manifest.

        Raises:
            DiskError: If the disk is full or cannot be written.
        """
        write_json(self.manifest, {**self.began, **content})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file that belongs to no run, with the sum of its content, and make its folder.

    Raises:
        DiskError: If the disk is full or cannot be written.
    """
    with disk.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(plain_json.seal(content), indent=1) + "\n")


@contextmanager
def taking_part(runs: Sequence[PlannedRun], content: Mapping[str, Any]) -> Iterator[Participant]:
    """Within this context this process is at the sweep of these runs.

    Args:
        runs: The runs.
        content: Of its manifest.

    Raises:
        ConfigError: If finished runs are to be done again, and another process is at the sweep.
        DiskError: If the disk is full or cannot be written.
    """
    sweep, locks = locate_sweep(runs), _Locks(runs)
    with disk.writing(sweep):
        for path in (locks.folder, sweep.parent, sweep):
            make_own_folder(path)
        with locking_file(locks.common):
            if others := locks.list_living():
                _refuse_again(runs, sweep, others)
            number, file = next((number, file) for number in count(1) if (file := try_lock_file(locks.find(number))))
            part = Participant(sweep, number)
            try:
                part.write(content)
            except BaseException:
                file.close()
                raise
    try:
        yield part
    finally:
        part.is_last = _leave(locks, file)


def _leave(locks: "_Locks", own: LockedFile) -> bool:
    """Unlock the own file; returns whether no other process is at the sweep."""
    with suppress(OSError), locking_file(locks.common):  # the folder may have been removed
        own.close()
        return not locks.list_living()
    own.close()
    return True


def _refuse_again(runs: Sequence[PlannedRun], sweep: Path, others: Sequence[int]) -> None:
    for key in AGAIN:
        if values := [run.config[key] for run in runs if run.config[key]]:
            found = [_describe(_read(sweep / f"{number}.json")) for number in others]
            typed = f"{key}={'true' if values[0] is True else values[0]}"
            raise ConfigError(
                f"{typed}: {' and '.join(found)} {'is' if len(found) == 1 else 'are'} at the same sweep, and would have its "
                f"runs done again. Leave {typed} out to share the runs, or give it when no other process is at the sweep."
            )


class _Locks:
    """The lock files of a sweep: one of each process that is at it, and one that is locked while one comes or goes."""

    def __init__(self, runs: Sequence[PlannedRun]) -> None:
        self.folder, self.name = runs[0].study_folder / LOCKS, f"sweep-{_hash(runs)}"
        self.common = self.folder / f"{self.name}.lock"

    def find(self, number: int) -> Path:
        """The file of the process with this number."""
        return self.folder / f"{self.name}-{number}.lock"

    def list_living(self) -> list[int]:
        """The numbers of the processes that are at the sweep. Called only while the common file is locked."""
        found = (re.fullmatch(rf"{self.name}-([1-9]\d{{0,8}})\.lock", name) for name in os.listdir(self.folder))
        numbers = sorted(int(number[1]) for number in found if number)
        return [number for number in numbers if is_locked(self.find(number))]


def locate_sweep(runs: Sequence[PlannedRun]) -> Path:
    """The folder of the sweep of these runs."""
    return runs[0].study_folder / SWEEPS / _hash(runs)


def _hash(runs: Sequence[PlannedRun]) -> str:
    return hashlib.sha256("/".join(run.identity for run in runs).encode()).hexdigest()[:12]


def read_check(runs: Sequence[PlannedRun]) -> NotedCheck | None:
    """What a process that is at the same sweep has noted of its check of the runs; None if there is none with the same code."""
    if not runs or not (locks := _Locks(runs)).common.exists():
        return None
    try:
        with locking_file(locks.common):
            others = locks.list_living()
    except OSError:
        return None
    noted = (_read(locate_sweep(runs) / f"{number}.json").get("check") for number in others)
    return next((check for check in noted if check and check["code"] == sign_code(runs)), None)


def sign_code(runs: Sequence[PlannedRun]) -> str:
    """One hash over the modules of dlexp that the runs use, and the version of torch."""
    signs = sorted({combine(run.modules) for run in runs})
    return hashlib.sha256(json.dumps([str(torch.__version__), signs]).encode()).hexdigest()


def read_finished(runs: Sequence[PlannedRun]) -> list[str]:
    """The ids that the manifests list as finished by an interrupted sweep with force=true, which had number 1."""
    sweep = locate_sweep(runs)
    return [*_read(sweep / "1.json").get("finished", []), *_read(_find_old_manifest(sweep)).get("finished", [])]


def remove_old_manifest(runs: Sequence[PlannedRun]) -> None:
    """Remove the only manifest that older versions wrote, if there is one: this process has one of its own."""
    with suppress(OSError):  # it is not a file, or may not be removed; nothing but its list of finished runs is ever read
        _find_old_manifest(locate_sweep(runs)).unlink()


def _find_old_manifest(sweep: Path) -> Path:
    return sweep.with_suffix(".json")


def _read(manifest: Path) -> Mapping[str, Any]:
    """A manifest; empty if there is none, or if it is damaged."""
    try:
        return plain_json.read(manifest, Manifest)
    except (OSError, plain_json.FormError):
        return {}


def _describe(manifest: Mapping[str, Any]) -> str:
    pid, host, since = (make_printable(str(manifest.get(key, "?"))) for key in ("pid", "host", "started"))
    return f"process {pid} on {host} since {since}"
