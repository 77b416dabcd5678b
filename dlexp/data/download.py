"""Downloads files: over https only, by one process while others wait, with a check of their md5."""

import hashlib
import http.client
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO, NamedTuple

from dlexp.data.archive import unpack
from dlexp.machine.files import read_regular_file, replacing
from dlexp.machine.locks import locking_file
from dlexp.machine.notices import is_watched, notify

ANSWER_SECONDS = 4.0  # timeout for the first answer of a server
STALL_SECONDS = 30.0  # timeout for each later one
MAX_BYTES = 2**30  # of a download, and of a file in it
CHUNK = 2**18

Opener = Callable[[str, float], Any]
"""Takes an address and a timeout in seconds; returns a response as `urlopen` does, with `headers`, `read` and `close`."""


class Archive(NamedTuple):
    """An archive to download, and the files in it.

    Args:
        path: Path of the archive on disk.
        md5: Checksum of the archive.
        urls: Addresses, each with the same content.
        members: Name in the archive → path to unpack that file to.
    """

    path: Path
    md5: str
    urls: list[str]
    members: dict[str, Path]


def obtain(archives: Sequence[Archive], lock: Path, find_bad: Callable[[], list[Path]], *, opener: Opener) -> None:
    """Unpack the files that are missing or damaged. Archives that are missing or damaged are downloaded first.

    One process does this while the others wait for the lock. The operating system releases the lock of a process that dies.

    Args:
        archives: The archives that contain the files.
        lock: Path of the lock file. Its folder is made if it does not exist, but only after a server has answered.
        find_bad: Returns the files that are missing or damaged. Called with the lock held.
        opener: `open_https`; tests pass one that opens a local server.

    Raises:
        OSError, ValueError, EOFError, tarfile.TarError: If a file cannot be downloaded, unpacked or written.
    """
    if not lock.parent.exists():
        _open_in_time(archives[0].urls[0], opener).close()  # raises before anything is written
        lock.parent.mkdir(parents=True, exist_ok=True)
    with locking_file(lock):
        bad = set(find_bad())
        for archive in archives:
            if bad.intersection(archive.members.values()):
                if not has_md5(archive.path, archive.md5):
                    fetch(archive.urls, archive.path, archive.md5, opener=opener)
                unpack(archive.path, archive.members)


def has_md5(path: Path, md5: str) -> bool:
    """Whether a file exists and has this checksum."""
    try:
        return hashlib.md5(read_regular_file(path, MAX_BYTES), usedforsecurity=False).hexdigest() == md5
    except (OSError, ValueError):
        return False


def open_https(url: str, seconds: float) -> Any:
    """Open an address. It and all addresses that it redirects to must be https."""
    _require_https(url)
    request = urllib.request.Request(url, headers={"User-Agent": "dlexp"})
    return urllib.request.build_opener(_Redirects).open(request, timeout=seconds)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_https(url: str) -> None:
    if not url.startswith("https://"):
        raise ValueError(f"{url} is not an https address")


def fetch(urls: Sequence[str], path: Path, md5: str, *, opener: Opener) -> None:
    """Download a file from the first of these addresses that works, with a line of progress on standard error.

    Raises:
        ConnectionError: If no address works, with the error of each.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in urls:
        try:
            with replacing(path) as file:
                _receive(_open_in_time(url, opener), file, path, md5)
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            reasons.append(str(error))
    raise ConnectionError("; ".join(reasons))


def _open_in_time(url: str, opener: Opener) -> Any:
    """Open an address within `ANSWER_SECONDS`, or raise a `ConnectionError`.

    Uses a thread, because the timeout of a socket does not include the name look-up and restarts for each address of a server.
    """
    outcome: list[Any] = []

    def open_() -> None:
        try:
            outcome.append(opener(url, STALL_SECONDS))
        except Exception as error:
            outcome.append(error)

    thread = Thread(target=open_, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if not outcome:
        raise ConnectionError(f"{url}: no answer within {ANSWER_SECONDS:g} s")
    if isinstance(outcome[0], Exception):
        raise ConnectionError(f"{url}: {outcome[0] or type(outcome[0]).__name__}") from outcome[0]
    return outcome[0]


def _receive(response: Any, file: BinaryIO, path: Path, md5: str) -> None:
    """Write a response to `file`. Raises an error if it is not the file `path` with this checksum."""
    digest, received, total = hashlib.md5(usedforsecurity=False), 0, int(response.headers.get("Content-Length") or 0)
    line = f"Downloading {path.name} ({total / 2**20:.1f} MiB) to {path.parent}"
    notify(line, end="")
    try:
        with response:
            while chunk := response.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
                received += len(chunk)
                if received > MAX_BYTES:
                    raise ValueError(f"{path.name} has more than {MAX_BYTES} bytes")
                if total and is_watched():
                    notify(f"{line}: {received / total:.0%}", end="", over=True)
    finally:
        notify("")
    if received < total:
        raise ConnectionError(f"{path.name} broke off after {received} of {total} bytes")
    if digest.hexdigest() != md5:
        raise ValueError(f"the {received} bytes that were sent are not {path.name}: md5 {digest.hexdigest()}, not {md5}")
