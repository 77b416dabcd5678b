"""Empty the folder of a run that starts over, or remove what is outdated from that of a run that goes on."""

import shutil
from pathlib import Path

from dlexp.machine.files import is_removed, write_whole
from dlexp.run.record.layout import CONFIG, LOG, SUMMARY

FORCED = ".forced"  # in the folder of a run that was started with force=true and has not ended
PAGE = "report.html"  # which `dlexp report` writes


def clear(folder: Path) -> None:
    """Empty a run folder. Wherever this is interrupted, what is left is an interrupted run, which goes on or starts over.

    The order matters. The summary is removed first, because a run with a summary is done; then each state, before its
    sidecar, so that no state refers to a file which is gone. The config is last: a folder without any of a run's files is not
    found again.
    """
    for name in (FORCED, SUMMARY):
        remove(folder / name)
    if not (folder / "checkpoints").is_symlink():
        for state in sorted(folder.glob("checkpoints/step-*.pt")):
            remove(state)
    for path in sorted(folder.iterdir(), key=lambda path: (path.name == CONFIG, path.name)):
        remove(path)


def remove_outdated(folder: Path) -> None:
    """Remove the summary and the page of an earlier start, and files that were half written."""
    for name in (SUMMARY, PAGE):
        remove(folder / name)
    log = folder / LOG
    if log.is_dir():
        remove(log)
    if log.exists() and log.stat().st_nlink > 1:  # a copy of the folder made with hard links keeps its content
        write_whole(log, log.read_bytes())
    for temporary in folder.rglob(".*.tmp"):
        remove(temporary)


def remove(path: Path) -> None:
    """Remove what is at a path: a file, a link, or a folder with all that is in it; but not what is removed and open."""
    if is_removed(path):
        return
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    left = [below for below in path.rglob("*") if not below.is_dir()]
    if not left or not all(map(is_removed, left)):
        shutil.rmtree(path)  # raises the error that was ignored
