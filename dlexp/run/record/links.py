"""Keep a run from writing or deleting anything outside its folder, which may come from someone else.

A user may replace a run's folder by a link to the place to which it was moved. Other links are not written by training.
"""

import os
from pathlib import Path

from dlexp.config.values import make_printable
from dlexp.errors import CheckpointError
from dlexp.run.record.layout import find_wrong_target


def check_link(folder: Path) -> None:
    """Refuse a run folder that is a link to something else than a folder of this run: it will be emptied, or written into.

    Raises:
        CheckpointError: If it is one.
    """
    if target := find_wrong_target(folder):
        raise CheckpointError(
            f"{folder} is a link to {make_printable(str(target))}, which is no folder of this run. "
            "Nothing there was changed: remove the link."
        )


def check_no_links(folder: Path) -> None:
    """Refuse to continue a run whose folder has links in it.

    Raises:
        CheckpointError: If it has, with the first of them.
    """
    for place, folders, files in os.walk(folder):  # does not follow links
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink():
                shown = make_printable(str(path.relative_to(folder)))
                raise CheckpointError(
                    f"{folder}: {shown} is a link, and a run writes no links. Nothing was changed: put the file that is meant "
                    "in its place, or start the run over with force=true."
                )
