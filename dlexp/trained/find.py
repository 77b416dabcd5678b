"""Find the folder of a run by its path, its id or its name."""

import os
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from dlexp.config.values import join_first, make_printable
from dlexp.errors import ConfigError

RUN_FOLDER_NAME = re.compile(r"(?:^|-)([0-9a-f]{12})$")  # the name of every run folder ends with the run's id
ID = re.compile(r"[0-9a-f]{4,12}")  # an id, or its beginning
MAX_LISTED = 5  # runs that a message names


def find_run(run: str | Path, outputs: str | Path = "outputs") -> Path:
    """Find the folder of a run.

    Args:
        run: Its path, its id (12 hexadecimal digits, or the first four or more of them), or the name of its folder.
        outputs: The folder below which a run is searched by id or name.

    Raises:
        ConfigError: If there is no such run, or if several match.
    """
    if (path := Path(run).expanduser()).is_dir():
        return _check_is_run(path)
    root = Path(outputs).expanduser()
    if not root.is_dir():
        raise ConfigError(f"{_show(run)}: there is no such folder, and no folder {_show(root)} to search for the run.")
    folders = list(list_run_folders(root))
    wanted = str(run)
    found = [folder for folder in folders if folder.name == wanted]
    if not found and ID.fullmatch(wanted):
        found = [folder for folder in folders if _id_of(folder).startswith(wanted)]
    if not found:
        raise ConfigError(f"{_show(run)}: no run below {_show(root)} has this id or name. {_suggest(wanted, folders)}")
    if len(found) > 1:
        raise ConfigError(f"{_show(run)}: several runs match, give the path of one of them: {_list(map(str, found))}.")
    return found[0]


def list_run_folders(root: Path) -> Iterator[Path]:
    """Every run folder below a folder, in the order of their paths. Links are not followed."""
    for folder, names, _ in os.walk(root):
        names.sort()
        yield from (Path(folder, name) for name in names if RUN_FOLDER_NAME.search(name))
        names[:] = [name for name in names if not (RUN_FOLDER_NAME.search(name) or name.startswith("."))]


def _check_is_run(path: Path) -> Path:
    if (path / "config.yaml").exists():
        return path
    below = _list(str(folder) for folder in list_run_folders(path))
    raise ConfigError(
        f"{_show(path)}: expected the folder of a run, and it holds no config.yaml."
        + (f" It contains the runs {below}." if below else "")
    )


def _id_of(folder: Path) -> str:
    return folder.name[-12:]


def _suggest(wanted: str, folders: list[Path]) -> str:
    """The runs with the most similar ids and names, or how a run is named."""
    names = {_id_of(folder): folder for folder in folders} | {folder.name: folder for folder in folders}
    near = get_close_matches(wanted[:120], names, n=MAX_LISTED)
    if near:
        return f"The most similar: {_list(dict.fromkeys(names[name].name for name in near))}."
    return "A run is named by its path, its folder's name, or four or more digits of its id."


def _list(names: Iterable[str]) -> str:
    return join_first(map(make_printable, names), MAX_LISTED)


def _show(path: str | Path) -> str:
    return make_printable(str(path))
