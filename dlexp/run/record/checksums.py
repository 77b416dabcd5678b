"""SHA-256 sums, by which a file that was damaged after it was written is found. Loads no torch.

summary.json holds the sums of the run's other files, and the sidecar of a saved state those of the files that the state depends
on; both hold one of themselves (dlexp/config/plain_json.py). Files of older versions have no sums.
"""

import gzip
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlexp.config.plain_json import FormError
from dlexp.machine.files import is_removed, open_regular_file, read_regular_file
from dlexp.run.record.clear import FORCED, PAGE
from dlexp.run.record.forms import read_summary_file
from dlexp.run.record.layout import CONFIG, HYDRA, LOG, METRICS, SUMMARY, list_missing

SUMS_FILE = "SHA256SUMS"  # in the folder of a report
MAX_SUMS_BYTES = 2**22
LISTED_SUM = re.compile(r"([0-9a-f]{64})  ([^\0]+)")
# They change after the run has ended, or are no part of it. Saved states have sidecars of their own.
NOT_SUMMED = (LOG, PAGE, FORCED, SUMMARY)


def sum_file(path: Path) -> str:
    """The SHA-256 sum of a file.

    Raises:
        ValueError: If it is not a regular file.
        OSError: If it cannot be read.
    """
    with open_regular_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sum_unpacked(path: Path) -> str:
    """The SHA-256 sum of what a gzipped file unpacks to."""
    digest = hashlib.sha256()
    with open_regular_file(path) as file, gzip.open(file) as unpacked:
        while block := unpacked.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def list_summed_files(folder: Path) -> list[str]:
    """The files of a run that summary.json has sums of, as paths below the folder, sorted."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(name for name in found if name not in NOT_SUMMED and not _is_state(name) and not is_removed(Path(name)))


def find_damage(folder: Path, summary: Mapping[str, Any]) -> list[str]:
    """What is wrong with the files that each finished run has beside its summary; nothing if all is well.

    Weights and arrays are checked when they are loaded, so that a run which is done costs no time.
    """
    sums = summary.get("files", {})
    lacking = [f"it lacks {name}" for name in list_lacking(folder, sums)]
    return lacking + list(find_changed(folder, sums, list(filter(is_needed, sums))))


def is_needed(name: str) -> bool:
    """Whether a finished run is damaged without this file, by its path below the run's folder. Others may be deleted."""
    return name in (CONFIG, METRICS) or name.startswith(f"{HYDRA}/")


def list_lacking(folder: Path, sums: Mapping[str, str]) -> list[str]:
    """What a finished run lacks of the files that it needs."""
    missing = list_missing(folder)
    within = [name for name in sums if is_needed(name) and Path(name).parts[0] not in missing and not is_there(folder / name)]
    return missing + within


def is_there(path: Path) -> bool:
    """Whether a file is there, as it is or gzipped."""
    return path.exists() or path.with_name(f"{path.name}.gz").exists()


def find_changed(folder: Path, sums: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    """What is wrong with each of these files that is not as it was when it was summed. Those that are gone are passed over."""
    for name in names:
        path, add_up = folder / name, sum_file
        if not path.exists():  # it may have been gzipped since
            path, add_up = path.with_name(f"{path.name}.gz"), _sum_unpacked
        try:
            if add_up(path) != sums[name]:
                yield f"{path.relative_to(folder)} has changed since the run wrote it (its sha256 is another)"
        except FileNotFoundError:
            continue
        except (OSError, EOFError, ValueError) as error:
            yield f"{path.relative_to(folder)} cannot be read ({error})"


def check_file(folder: Path, name: str) -> None:
    """Check a file of a run before it is used. It passes where the run has not ended, or was made before there were sums.

    Args:
        folder: The folder of the run.
        name: The file's path below it. Where only the gzipped file is there, what it unpacks to is checked.

    Raises:
        FormError: If it has changed since the run wrote it.
    """
    sums = _read_sums(folder)
    if name in sums:
        for problem in find_changed(folder, sums, [name]):
            raise FormError(problem)


def list_sums(contents: Mapping[str, str | bytes | memoryview]) -> str:
    """The content of SHA256SUMS for files of these names and contents, as `sha256sum --check` reads it."""
    encoded = {name: content.encode() if isinstance(content, str) else content for name, content in contents.items()}
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(encoded.items()))


def read_listed_sums(folder: Path) -> dict[str, str]:
    """The sums in SHA256SUMS, by the files' names; none if there is no such file, as in reports of older versions.

    Raises:
        ValueError: If it is not such a list.
        OSError: If it cannot be read.
    """
    try:
        lines = read_regular_file(folder / SUMS_FILE, MAX_SUMS_BYTES).decode().splitlines()
    except FileNotFoundError:
        return {}
    found = [LISTED_SUM.fullmatch(line) for line in lines]
    if None in found or not found:
        raise ValueError(f"{SUMS_FILE} is damaged")
    return {match[2]: match[1] for match in found if match}


def check_listed_file(path: Path) -> None:
    """Check a file against the SHA256SUMS beside it. It passes if that does not list it.

    Raises:
        ValueError: If it is not what was written.
        OSError: If it cannot be read.
    """
    sums = read_listed_sums(path.parent)
    if path.name in sums and sum_file(path) != sums[path.name]:
        raise ValueError(f"its sha256 is not the one in {SUMS_FILE}. If you changed it, remove its line there")


def _read_sums(folder: Path) -> dict[str, str]:
    """The sums of a run's files; none if its summary has none, or cannot be read: then that is named elsewhere."""
    try:
        return read_summary_file(folder).get("files", {})
    except (FileNotFoundError, FormError):
        return {}


def _is_state(name: str) -> bool:
    return name.startswith("checkpoints/step-")
