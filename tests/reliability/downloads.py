"""Eight processes need one data set at the same time; the one that downloads it is killed a number of times.

    python -m tests.reliability.downloads ROOT KILLS

Loads no torch, so that a fork costs nothing. Prints, as JSON: the number of downloads, the exit codes of the processes
that were not killed, the temporary files left, and the longest time from a kill to the next download.
"""

import gzip
import hashlib
import http.server
import json
import os
import signal
import sys
import time
import traceback
import urllib.request
from pathlib import Path

from dlexp.data.download import Archive, has_md5, obtain

CONTENT = bytes(range(256)) * 400
PACKED = gzip.compress(CONTENT, mtime=0)
PROCESSES = 8


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends the archive in pieces, so that a kill comes in the middle."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PACKED)))
        self.end_headers()
        step = len(PACKED) // 10 + 1
        for start in range(0, len(PACKED), step):
            self.wfile.write(PACKED[start : start + step])
            time.sleep(0.02)

    def log_message(self, *_):
        pass


def fork(work):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main(root, kills):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    serving = fork(server.serve_forever)
    fetches = root / "fetches"
    fetches.touch()
    file = root / "data" / "file"
    archive = Archive(
        file.with_name("file.gz"),
        hashlib.md5(PACKED).hexdigest(),
        [f"http://127.0.0.1:{server.server_port}/file.gz"],
        {"file": file},
    )

    def opener(url, seconds):
        with fetches.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return urllib.request.urlopen(url, timeout=seconds)

    def want():
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        obtain(
            [archive], root / ".lock", lambda: [] if has_md5(file, hashlib.md5(CONTENT).hexdigest()) else [file], opener=opener
        )
        os._exit(0 if file.read_bytes() == CONTENT else 2)

    children = {fork(want) for _ in range(PROCESSES)}
    waits = []
    for kill in range(kills):
        holder = _fetcher(fetches, kill)
        time.sleep(0.01 * (kill % 15))
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        children.remove(holder)
        if not children or kill == PROCESSES - 1:
            break
        killed = time.monotonic()
        _fetcher(fetches, kill + 1)
        waits.append(time.monotonic() - killed)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    os.kill(serving, signal.SIGKILL)
    os.waitpid(serving, 0)
    left = sorted(path.name for path in root.rglob("*") if path.name.endswith(".tmp"))
    return {"fetches": len(fetches.read_text().split()), "codes": codes, "wait": max(waits, default=0), "left": left}


def _fetcher(fetches, number):
    """Wait for the download with this number; returns its process."""
    end = time.monotonic() + 30
    while len(lines := fetches.read_text().split("\n")[:-1]) <= number:
        if time.monotonic() > end:
            raise SystemExit("nobody took over")
        time.sleep(0.002)
    return int(lines[number])


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2])) | {"torch": "torch" in sys.modules}))
