"""Verify the sums of the files below a folder, whatever has been damaged since they were written. Loads no torch."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dlexp.config import plain_json
from dlexp.config.plain_json import SUM_KEY, FormError
from dlexp.run.record.checksums import SUMS_FILE, find_changed, is_needed, is_there, list_lacking, read_listed_sums
from dlexp.run.record.clear import PAGE
from dlexp.run.record.forms import Manifest, Measurements, read_summary_file
from dlexp.run.record.layout import CONFIG, PROTOCOL, RUN_FOLDER_NAME, SUMMARY, SWEEPS, find_run_folders, is_run_folder
from dlexp.run.record.look_log import LOOKS, LookLog
from dlexp.run.record.protocol_form import Protocol, check_protocol
from dlexp.run.record.registrations import REGISTRATIONS, Registrations
from dlexp.run.record.states import list_states, read_state_bytes

MAX_BYTES = 2**28  # of a JSON file; a large study's protocol has a hundredth of it
TUNED = "tuned.json"
# JSON files in the folder of a report, with their forms.
OF_REPORTS = {PROTOCOL: Protocol, REGISTRATIONS: Registrations, LOOKS: LookLog}


@dataclass
class Verified:
    """What was found of a run, or of a file of a study.

    Args:
        path: The run's folder, or the file.
        problems: What is damaged, the end of a sentence each.
        gone: Files of a finished run that were deleted, and that it can do without.
        summed: Whether there are sums, as older versions wrote none. Of an interrupted run: whether it has saved states.
    """

    path: Path
    problems: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    summed: bool = True


def verify_tree(root: Path) -> Iterator[Verified]:
    """Verify every run at or below a folder, and the protocols, registrations, logs of looks and manifests beside them.

    Raises:
        OSError: If the folder cannot be read.
    """
    folders = set()
    unreadable: list[OSError] = []
    for folder in find_run_folders(root, unreadable.append):
        folders.add(folder.parent)
        try:
            yield verify_run(folder)
        except OSError as error:
            yield Verified(folder, [f"cannot be read ({error.strerror})"])
    starts = [] if is_run_folder(root) else [root, *folders]
    paths = sorted({path for start in starts for path in _find_study_files(start, unreadable.append)})
    for path in paths:
        if path.name == SUMS_FILE:
            yield _verify_report(path)
        else:
            yield _verify_json(path, OF_REPORTS.get(path.name, Manifest))
    for name, reason in sorted({str(refused.filename): refused.strerror for refused in unreadable}.items()):
        yield Verified(Path(name), [f"cannot be read ({reason})"])


def _find_study_files(root: Path, pass_over: Callable[[OSError], None]) -> Iterator[Path]:
    """The JSON files of studies and the lists of sums at or below a folder, without what lies in folders of runs."""
    for place, folders, files in os.walk(root, onerror=pass_over):
        folders[:] = [name for name in folders if not name.startswith(".") and not is_run_folder(Path(place, name))]
        above, own = os.path.split(place)
        is_sweeps = own == SWEEPS or (os.path.basename(above) == SWEEPS and RUN_FOLDER_NAME.fullmatch(own) is not None)
        yield from (
            Path(place, name) for name in files if name in (*OF_REPORTS, SUMS_FILE) or (is_sweeps and name.endswith(".json"))
        )


def _verify_report(path: Path) -> Verified:
    """Verify the files of a report, which its SHA256SUMS lists."""
    found = Verified(path.parent / PAGE)
    try:
        sums = read_listed_sums(path.parent)
    except (OSError, ValueError) as error:
        found.problems.append(str(error))
        return found
    found.problems += find_changed(path.parent, sums, list(sums))
    found.problems += [f"lacks {name}" for name in sums if not is_there(path.parent / name)]
    return found


def verify_run(folder: Path) -> Verified:
    """Verify all files of a run, those of its saved states included."""
    found = Verified(folder)
    states = list_states(folder)
    if os.path.lexists(folder / SUMMARY):
        sums: dict[str, str] = {}
        try:
            sums = read_summary_file(folder).get("files", {})
        except FormError as error:
            found.problems.append(str(error))
        found.problems += [f"lacks {name}" for name in list_lacking(folder, sums)]
        found.problems += find_changed(folder, sums, list(sums))
        found.gone = [name for name in sums if not is_needed(name) and not is_there(folder / name)]
        found.summed = bool(sums)
    else:
        found.problems += [] if is_there(folder / CONFIG) else [f"lacks {CONFIG}"]
        found.summed = bool(states)
    if is_there(folder / TUNED):
        found.problems += [f"{TUNED}: {problem}" for problem in _verify_json(folder / TUNED, Measurements).problems]
    for state in states:
        try:
            read_state_bytes(state, folder)
        except (OSError, ValueError) as error:
            found.problems.append(f"{state.name}: {error}")
    return found


def _verify_json(path: Path, form: type) -> Verified:
    """Verify the form of a JSON file, and the sum that it holds of itself."""
    found = Verified(path)
    try:
        content = plain_json.read(path, form, MAX_BYTES)
        found.summed = SUM_KEY in content
        if form is Protocol:
            check_protocol(content)
    except FileNotFoundError as error:  # it was removed meanwhile
        found.problems.append(f"cannot be read ({error.strerror})")
    except FormError as error:
        found.problems.append(str(error).removeprefix(f"{path.name}: "))
    return found
