"""Files from the network: over https alone, by one process while others wait, and checked before they get their name."""

import hashlib
import http.client
import os
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from filelock import FileLock

from dlexp.data.archive import unpack

ANSWER_SECONDS = 4.0  # how long a server may take to answer at all
STALL_SECONDS = 30.0  # how long a download may stand still
MOST_BYTES = 2**30  # of a download
CHUNK = 2**18
MEBIBYTE = 2**20

Opener = Callable[[str, float], Any]
"""Takes an address and the seconds after which silence is an error; gives what `urlopen` gives: headers, `read`, `close`."""


class Archive(NamedTuple):
    """A file to download, and what is in it.

    Args:
        path: Where it lies, or will.
        md5: Of the whole of it.
        urls: Where it is to be had, one as good as the other.
        holds: Name inside → where that file is to lie.
    """

    path: Path
    md5: str
    urls: list[str]
    holds: dict[str, Path]


def obtain(archives: Sequence[Archive], lock: Path, lacking: Callable[[], list[Path]], *, opener: Opener) -> None:
    """Make the files that are missing or damaged, from archives that are fetched where they are not there.

    One process does it while the others wait; the operating system frees the lock when that one dies, and the next goes on.

    Args:
        archives: That hold the files.
        lock: File in a folder that need not be there; it is made only if a server answers.
        lacking: Which files are to be made; asked again when it is this process's turn.
        opener: `https`; tests have servers of their own.

    Raises:
        OSError, ValueError, EOFError, tarfile.TarError: If that cannot be done.
    """
    if not lock.parent.exists():
        _answer(archives[0].urls[0], opener).close()  # raises before anything is made on disk
        lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        wanted = set(lacking())
        for archive in archives:
            if wanted.intersection(archive.holds.values()):
                if not has_md5(archive.path, archive.md5):
                    fetch(archive.urls, archive.path, archive.md5, opener=opener)
                unpack(archive.path, archive.holds)


def has_md5(path: Path, md5: str) -> bool:
    """Whether a file is there and is the one meant."""
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == md5
    except OSError:
        return False


def https(url: str, seconds: float) -> Any:
    """Open an address. Neither it nor any that it leads on to may be other than https."""
    _refuse_plain(url)
    request = urllib.request.Request(url, headers={"User-Agent": "dlexp"})
    return urllib.request.build_opener(_Redirects).open(request, timeout=seconds)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _refuse_plain(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_plain(url: str) -> None:
    if not url.startswith("https://"):
        raise ValueError(f"{url} is not an https address")


def fetch(urls: Sequence[str], path: Path, md5: str, *, opener: Opener) -> None:
    """Download a file from the first of these addresses that has it; told in a line on standard error.

    Raises:
        ConnectionError: If none has, with what went wrong at each.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished, reasons = path.with_name(f".{path.name}.tmp"), []
    for url in urls:
        try:
            _receive(_answer(url, opener), unfinished, path, md5)
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            reasons.append(str(error))
        finally:
            unfinished.unlink(missing_ok=True)
    raise ConnectionError("; ".join(reasons))


def _answer(url: str, opener: Opener) -> Any:
    """What an address answers; a `ConnectionError` if it does not do so within a few seconds.

    In a thread, as no timeout bounds the look-up of a name, and a socket's timeout counts anew for each address of a server.
    """
    outcome: list[Any] = []

    def ask() -> None:
        try:
            outcome.append(opener(url, STALL_SECONDS))
        except Exception as error:
            outcome.append(error)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if not outcome:
        raise ConnectionError(f"{url}: no answer within {ANSWER_SECONDS:g} s")
    if isinstance(outcome[0], Exception):
        raise ConnectionError(f"{url}: {outcome[0] or type(outcome[0]).__name__}") from outcome[0]
    return outcome[0]


def _receive(answer: Any, unfinished: Path, path: Path, md5: str) -> None:
    """Write what is sent to `unfinished`, and give it its name if it is what it should be."""
    digest, got, total = hashlib.md5(usedforsecurity=False), 0, int(answer.headers.get("Content-Length") or 0)
    line = f"Downloading {path.name} ({total / MEBIBYTE:.1f} MiB) to {path.parent}"
    print(line, end="", file=sys.stderr, flush=True)
    try:
        with answer, unfinished.open("wb") as file:
            while chunk := answer.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
                got += len(chunk)
                if got > MOST_BYTES:
                    raise ValueError(f"{path.name} has more than {MOST_BYTES} bytes")
                if total and sys.stderr.isatty():
                    print(f"\r{line}: {got / total:.0%}", end="", file=sys.stderr, flush=True)
    finally:
        print(file=sys.stderr)
    if got < total:
        raise ConnectionError(f"{path.name} broke off after {got} of {total} bytes")
    if digest.hexdigest() != md5:
        raise ValueError(f"the {got} bytes that were sent are not {path.name}: md5 {digest.hexdigest()}, not {md5}")
    os.replace(unfinished, path)
