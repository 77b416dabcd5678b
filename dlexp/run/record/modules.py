"""The modules of dlexp that can change a number of a run, each with the hash of its source; and runs made by other ones.

A run's modules are found by static imports, from what sets up and trains a run and from the parts that its config names. So
they depend on the config alone: they are the same alone, in a sweep and in a study.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dlexp.config.source import hash_source, parse_source, reachable
from dlexp.config.values import find_targets
from dlexp.machine.notices import notify_once

PACKAGE = Path(__file__).parents[2]
START = ("dlexp.run.trainer", "dlexp.run.setup.build", "dlexp.run.setup.facts", "dlexp.run.setup.factories")
# What these import, too, is left out, unless another module needs it.
WITHOUT_NUMBERS = {
    "dlexp.config",  # what it reads is in the run's id, value by value
    "dlexp.data.archive",  # every file of an archive is compared with its md5
    "dlexp.data.download",  # so is every download
    "dlexp.data.image_links",  # refuses images that are counted twice
    "dlexp.data.preprocessing",  # describes numbers
    "dlexp.data.room",  # refuses data
    "dlexp.errors",  # messages
    "dlexp.machine.files",  # writes the bytes that it is given
    "dlexp.machine.locks",  # orders processes
    "dlexp.machine.process",  # saves time and memory
    "dlexp.run.display",  # shows numbers
    "dlexp.run.numbers",  # words numbers
    "dlexp.run.profiling",  # watches steps
    "dlexp.run.record",  # writes numbers; a saved state is read byte by byte as it was, or refused
    "dlexp.run.setup.lab_modules",  # imports the modules of a lab, whose source is in the run's id
    "dlexp.run.signals",  # ends a run, which then goes on from a saved state
}
DIGITS = 16  # of a module's hash
EMPTY = parse_source(b"").digest[:DIGITS]  # of a module that holds at most a docstring; it is left out
MAX_SHOWN = 3
GIT_SECONDS = 10.0  # for an answer of git, which takes milliseconds where no disk or network hangs


def find_modules(config: Mapping[str, Any], imported: Iterable[str] = ()) -> dict[str, str]:
    """The modules of dlexp that can change a number of a run: path such as `parts/model/convnet.py` → hash of its source.

    They are read once in a process, when the first run that uses them is planned: this process does not execute a later edit.

    Args:
        config: Resolved, and as it was before anything was measured.
        imported: Names of dlexp that the modules of the lab import.
    """
    start = {*START, *imported, *(target for target in find_targets(config) if target.startswith("dlexp."))}
    measuring = {"batch_size": config["batch_size"] == "auto", "tuning": config["hardware"]["tune"]}
    # Both are imported with the others, and so are read with them, whether or not they count.
    found = {name: _hash_modules(f"dlexp.run.setup.{name}") for name in measuring}
    counted = [*map(_hash_modules, start), *(found[name] for name, counts in measuring.items() if counts)]
    return dict(sorted({name: digest for hashed in counted for name, digest in hashed.items()}.items()))


def combine(modules: Mapping[str, str]) -> str:
    """One sha256 over modules, the `code` of a run."""
    return hashlib.sha256(json.dumps(modules, sort_keys=True).encode()).hexdigest()


def describe_other_code(summary: Mapping[str, Any], modules: Mapping[str, str], torch_version: str) -> str:
    """Why a finished run may have other numbers now: `other code: parts/model/convnet.py changed`; empty if nothing differs.

    Of a summary from before modules were recorded, only the version of torch is known.

    Args:
        summary: Of the finished run.
        modules: Those that the run would have now.
        torch_version: The present one.
    """
    reasons = []
    before, versions = summary.get("modules"), summary.get("versions")
    if isinstance(versions, Mapping) and versions.get("torch", torch_version) != torch_version:
        reasons.append(f"torch {versions['torch']}")
    if isinstance(before, Mapping):
        changed = sorted(name for name in before.keys() | modules.keys() if before.get(name) != modules.get(name))
        more = [f"{len(changed) - MAX_SHOWN} more"] if len(changed) > MAX_SHOWN else []
        reasons += [f"other code: {', '.join(changed[:MAX_SHOWN] + more)} changed"] if changed else []
    return " and ".join(reasons)


def hash_package() -> str:
    """One sha256 over all modules of dlexp, for a record of what was timed."""
    return combine({str(path.relative_to(PACKAGE)): hash_source(path) for path in PACKAGE.rglob("*.py")})


def sign_sources() -> int:
    """A number that changes when a module of dlexp is edited, added or removed; cheaper than `hash_package`."""
    return sum(path.stat().st_mtime_ns for path in PACKAGE.rglob("*.py"))


@cache
def _hash_modules(start: str) -> dict[str, str]:
    """The module of a name, and those that are executed when it is imported, with their hashes."""
    found = reachable([start], PACKAGE.name, PACKAGE, WITHOUT_NUMBERS)
    hashed = {path.relative_to(PACKAGE).as_posix(): _hash_once(path) for path in found.values()}
    hashed.pop("__init__.py", None)  # the number of the version
    return {name: digest for name, digest in hashed.items() if digest != EMPTY}


@cache
def _hash_once(path: Path) -> str:
    return hash_source(path)[:DIGITS]


@cache
def git_commit() -> str | None:
    """The commit of dlexp's checkout, with `-dirty` where files of the package or of conf/ differ from it.

    None for an installed package, even if its folder is within another repository.
    """
    root, _, commit = (_ask_git("rev-parse", "--show-toplevel", "HEAD") or "").rpartition("\n")
    if not commit or Path(root).resolve() != PACKAGE.resolve().parent:
        return None
    changed = _ask_git("--no-optional-locks", "status", "--porcelain", "--", ".", "../conf")
    if changed is None:
        return None  # whether the code is that of the commit is not known
    return f"{commit}-dirty" if changed else commit


def _ask_git(*arguments: str) -> str | None:
    """What git prints about the folder of the package; None if there is no git, or no repository."""
    try:
        return subprocess.run(
            ["git", "-C", str(PACKAGE), *arguments],
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=GIT_SECONDS,
        ).stdout.strip()
    except subprocess.TimeoutExpired:
        notify_once(f"git has not answered within {GIT_SECONDS:g} s: summary.json names no commit.", key="git")
        return None
    except (OSError, ValueError, subprocess.CalledProcessError):  # ValueError: what it prints is not text
        return None
