"""Where run folders lie: the rule that training, plan, reports and predictions share. Loads no torch.

A run lies directly in the folder of its study: `<output_dir>/<study>/<name>-<id>`. A link to such a folder is one too. What
lies deeper in a study's folder, such as a copy that a user keeps, is not part of the study.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from dlexp.config.values import make_printable
from dlexp.errors import ConfigError, DiskError
from dlexp.machine.once import look_up_once

ID_LENGTH = 12
RUN_FOLDER_NAME = re.compile(r"(?:^|-)([0-9a-f]{12})$")  # the name of every run folder ends with the run's id
SUMMARY, CONFIG, METRICS, PROTOCOL = "summary.json", "config.yaml", "metrics.csv", "protocol.json"
LOG, HYDRA = "train.log", ".hydra"
BEGUN = (SUMMARY, CONFIG, METRICS, LOG)  # a folder with one of these is a run's, whatever it lacks
NEEDED = (CONFIG, HYDRA, METRICS)  # what a finished run has beside its summary; checkpoints and arrays may be deleted
SWEEPS = "sweeps"  # holds a folder for each sweep, with a manifest of each process that was at it
LOCKS = ".locks"  # the folder of the lock files
OF_A_STUDY = (PROTOCOL, SWEEPS, LOCKS)  # training makes one of these in each folder of runs


def is_run_folder(path: Path) -> bool:
    """Whether a folder, or a link to one, is that of a run: its name ends with an id, and training has written into it.

    A folder of outputs may be called so too, after the minute (202611261200), and hold a file that the user put there, such as
    the log of a sweep. It holds folders of runs, and no run does.
    """
    if not RUN_FOLDER_NAME.search(path.name) or not any(_is_there(path / name) for name in BEGUN):
        return False
    return _is_there(path / HYDRA) or not _holds_runs(path)


def _is_there(path: Path) -> bool:
    """Whether there is something at a path. In a folder that may not be read there may be: whoever reads it gets the error."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def read_id(folder: Path) -> str:
    """The id in the name of a run folder."""
    return folder.name[-ID_LENGTH:]


def list_run_folders(study_folder: Path) -> list[Path]:
    """The folders of a study's runs, in the order of their names."""
    with os.scandir(study_folder) as entries:
        names = sorted(entry.name for entry in entries if RUN_FOLDER_NAME.search(entry.name) and os.path.isdir(entry))
    return [study_folder / name for name in names if is_run_folder(study_folder / name)]


def find_wrong_target(folder: Path) -> Path | None:
    """Where a run folder that is a link leads to, if that is no folder of the same run; else None."""
    target = folder.resolve()
    return target if folder.is_symlink() and (read_id(target) != read_id(folder) or not target.is_dir()) else None


def find_run_folder(study_folder: Path, identity: str) -> Path | None:
    """The folder of a run, found by its id and never by the rest of its name; None if the run was never started.

    Within `checking_once` the folder of the study is listed once.

    Raises:
        ConfigError: If there are two of them. Neither is used: one is a copy, and which one cannot be known.
        DiskError: If the folder of the study cannot be read: the run may have been started.
    """
    names = look_up_once(("run folders", study_folder), lambda: _list_by_id(study_folder, identity)).get(identity)
    named = [study_folder / name for name in sorted(names.split("/"))] if names else []
    found = [folder for folder in named if folder.is_dir() and is_run_folder(folder)]
    if len(found) > 1:
        raise ConfigError(describe_copies(found))
    return found[0] if found else None


def _list_by_id(study_folder: Path, identity: str) -> dict[str, str]:
    """The names in the folder of a study by their last 12 characters; several that end with the same ones, with / between them.

    Args:
        study_folder: The folder.
        identity: The run that is looked for.
    """
    try:
        names = os.listdir(study_folder)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DiskError(
            f"{make_printable(str(study_folder))} cannot be read ({error.strerror}), so whether run {identity} was started is "
            "not known. Nothing was done."
        ) from error
    found: dict[str, str] = {}  # texts and no lists, which the collector of garbage would visit: there may be 30,000
    for name in names:
        end = name[-ID_LENGTH:]
        found[end] = f"{found[end]}/{name}" if end in found else name
    return found


def describe_copies(folders: list[Path]) -> str:
    """The sentence about several folders of one run."""
    names = " and ".join(folder.name for folder in folders)
    return (
        f"{folders[0].parent}: {names} are folders of one run. Nothing is overwritten: move those that are copies out of this "
        "folder."
    )


def find_run_folders(root: Path, pass_over: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Every run folder at or below a folder, in the order of their names. The folder of a study is not searched below its runs.

    Links are followed to a run, or to a study's folder, and no further: a link may lead anywhere.

    Args:
        root: The folder.
        pass_over: Receives the error of each folder below `root` that cannot be read and is passed over.

    Raises:
        OSError: If `root` cannot be read; or, without `pass_over`, if a folder below it cannot.
    """
    if is_run_folder(root):
        yield root
        return
    yield from list_run_folders(root)
    if _is_study_folder(root):
        return
    with os.scandir(root) as entries:
        below = sorted((entry.name, entry.is_symlink()) for entry in entries if os.path.isdir(entry))
    for name, is_link in below:
        folder = root / name
        if name.startswith(".") or is_run_folder(folder):
            continue
        try:
            if not is_link:
                yield from find_run_folders(folder, pass_over)
            elif _is_study_folder(folder):
                yield from list_run_folders(folder)
        except OSError as error:
            if pass_over is None:
                raise
            pass_over(error)


def list_missing(folder: Path) -> list[str]:
    """What the folder of a finished run lacks; of a run that is whole, nothing. Its tables may be gzipped."""
    return [name for name in NEEDED if not ((folder / name).exists() or (folder / f"{name}.gz").exists())]


def _holds_runs(folder: Path) -> bool:
    """Whether a folder is that of a study, or has one in it."""
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        below = [folder / entry.name for entry in entries if entry.is_dir()]
    return _is_study_folder(folder) or any(map(_is_study_folder, below))


def _is_study_folder(folder: Path) -> bool:
    return any(os.path.exists(folder / name) for name in OF_A_STUDY)
