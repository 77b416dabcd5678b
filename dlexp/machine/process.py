"""Settings of the process itself that save time and change no result: collector, exit and malloc. Loads no torch.

All are on. `DLEXP_PROCESS=gc,exit` turns on only those two, and an empty value none.
`dlexp benchmark --only process` measures the time that each saves. The figures below are CPU time on two cores.
"""

import atexit
import ctypes
import gc
import logging
import os
import platform
import resource
import sys
from collections.abc import Callable
from functools import cache
from typing import NoReturn

from dlexp.errors import ConfigError
from dlexp.machine.printing import lost_output

VARIABLE = "DLEXP_PROCESS"
SETTINGS = ("gc", "exit", "malloc")
OUTPUT_LOST = 5  # exit code of a command that did its work and could not print all of it: that of a full disk
NEW_OBJECTS = 100_000  # between two garbage collections; Python's default is 700
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h


def enabled() -> frozenset[str]:
    """The settings that are on: those of `SETTINGS` that the environment variable `DLEXP_PROCESS` lists, by default all.

    Raises:
        ConfigError: If it lists something else.
    """
    listed = os.environ.get(VARIABLE, ",".join(SETTINGS))
    words = [word.strip() for word in listed.split(",") if word.strip()]
    if unknown := [word for word in words if word not in SETTINGS]:
        raise ConfigError(*(f"{VARIABLE}: expected a list of {', '.join(SETTINGS)}, got {word}." for word in unknown))
    return frozenset(words)


def run_command(main: Callable[[], int]) -> NoReturn:
    """Set up the process, call `main`, and end the process with the exit code that it returns.

    - gc: fewer garbage collections, because importing libraries makes many objects and no garbage. Saves 0.5 s per command.
    - exit: the process ends after its exit handlers. Python would first free all objects of torch. Saves 1.4 s per command.

    An exception of `main` is left to the interpreter. A command that did its work and could not print all of it ends with
    `OUTPUT_LOST`.

    Args:
        main: Returns an exit code, or raises SystemExit.
    """
    try:
        settings = enabled()
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if "gc" in settings:
        gc.set_threshold(NEW_OBJECTS)
    codes: list[int] = []  # stays empty if `main` raises another exception
    if "exit" in settings:
        atexit.register(_end_process, codes)  # registered before those of the libraries, so it is called after them
    try:
        code = main()
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        code = ended.code
    sys.stdout.flush()
    codes.append(code or (OUTPUT_LOST if lost_output() else 0))
    sys.exit(codes[0])


def reuse_freed_memory() -> None:
    """malloc: let the C library reuse the memory that one training step frees in the next.

    By default it returns much of it to the system after each step, and the system must clear and map the pages again. Saves
    12 % of a convnet's step. Memory left by an earlier run is returned first. A limit on addresses (`ulimit -v`) disables this.
    """
    libc = _glibc()
    if libc and "malloc" in enabled() and resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        libc.malloc_trim(0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)  # the largest value allowed; larger blocks are always mapped separately


def return_freed_memory() -> None:
    """Return the memory that the C library holds for reuse to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library, or None where it is another than glibc."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def _end_process(codes: list[int]) -> None:
    if codes:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])
