"""Find the folder of a run by its path, its id or its name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from dlexp.config.values import join_first, make_printable
from dlexp.errors import ConfigError
from dlexp.machine.notices import notify_once
from dlexp.run.record.layout import find_run_folders, read_id

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
    folders = list(find_run_folders(root, _name_unreadable))
    wanted = str(run)
    found = [folder for folder in folders if folder.name == wanted]
    if not found and ID.fullmatch(wanted):
        found = [folder for folder in folders if read_id(folder).startswith(wanted)]
    if not found:
        raise ConfigError(f"{_show(run)}: no run below {_show(root)} has this id or name. {_suggest(wanted, folders)}")
    if len(found) > 1:
        raise ConfigError(f"{_show(run)}: several runs match, give the path of one of them: {_list(map(str, found))}.")
    return found[0]


def _check_is_run(path: Path) -> Path:
    if (path / "config.yaml").exists():
        return path
    below = _list(str(folder) for folder in find_run_folders(path, _name_unreadable))
    raise ConfigError(
        f"{_show(path)}: expected the folder of a run, and it holds no config.yaml."
        + (f" It contains the runs {below}." if below else "")
    )


def _name_unreadable(error: OSError) -> None:
    notify_once(f"{_show(error.filename)} cannot be read ({error.strerror}) and was not searched.")


def _suggest(wanted: str, folders: list[Path]) -> str:
    """The runs with the most similar ids and names, or how a run is named."""
    names = {read_id(folder): folder for folder in folders} | {folder.name: folder for folder in folders}
    near = get_close_matches(wanted[:120], names, n=MAX_LISTED)
    if near:
        return f"The most similar: {_list(dict.fromkeys(names[name].name for name in near))}."
    return "A run is named by its path, its folder's name, or four or more digits of its id."


def _list(names: Iterable[str]) -> str:
    return join_first(map(make_printable, names), MAX_LISTED)


def _show(path: str | Path) -> str:
    return make_printable(str(path))
