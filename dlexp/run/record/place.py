"""Notice when the folder of a run, or a file in it, is removed, renamed or replaced while the run writes into it."""

import os
from pathlib import Path

from dlexp.config.values import make_printable
from dlexp.errors import MovedError
from dlexp.machine.locks import is_at


class Place:
    """Keeps a folder and files in it open, and compares them with what lies at their paths.

    They stay open because some network file systems give a closed file another number at each look.

    Args:
        folder: An existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[Path, int] = {}  # path → descriptor
        self._watch(folder, os.O_DIRECTORY)

    def watch(self, path: Path) -> None:
        """Watch a file, too, from now on, if it is there."""
        if path not in self._open and path.exists():
            self._watch(path, os.O_NOFOLLOW)

    def _watch(self, path: Path, flags: int) -> None:
        self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)

    def check(self) -> None:
        """Check that all are still where they were. Cheap; called before anything is written for good.

        Raises:
            MovedError: If one is not.
        """
        for path, descriptor in self._open.items():
            if not is_at(path, descriptor):
                raise explain_moved(path, self.folder)

    def close(self) -> None:
        """Close all."""
        while self._open:
            os.close(self._open.popitem()[1])


def explain_moved(path: Path, folder: Path) -> MovedError:
    """The error about a file of a run, or its folder, that is not where it was."""
    where = "" if path == folder else f" from {make_printable(str(folder))}"
    name = make_printable(str(path) if path == folder else path.name)
    return MovedError(
        f"{name} was removed{where}, renamed or replaced while the run was executed. Nothing more was written. The same "
        "command goes on from the last saved state that it finds there, or starts over if there is none."
    )
