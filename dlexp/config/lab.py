"""The lab: a folder of the user's own with options (conf/<group>/<option>.yaml) and the Python modules that these name.

A lab is chosen by `--config-dir LAB/conf`, by the environment variable `DLEXP_LAB`, or because it is the current folder and
holds a file dlexp.toml. A downloaded folder can bring that file along, so the current folder counts only if it is trusted.
Nothing here imports a module of a lab.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.machine.files import read_regular_file

FILE, VARIABLE = "dlexp.toml", "DLEXP_LAB"
SETTINGS = ("output_dir", "data_dir")  # the keys of dlexp.toml
MAX_BYTES = 10_000  # of dlexp.toml
MAX_TRUST_BYTES = 2**20  # of the list of trusted folders


@dataclass(frozen=True)
class Lab:
    """A lab whose folder was found.

    Args:
        folder: Absolute, without links.
        settings: What its dlexp.toml sets: key of `SETTINGS` → absolute path.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        """The folder with its options."""
        return self.folder / "conf"


def find_lab(config_dir: str | None = None, *, may_ask: bool = True) -> Lab | None:
    """Find the lab of this command.

    Args:
        config_dir: The value of `--config-dir`.
        may_ask: Whether to ask the user, in a terminal, to trust the current folder if it is not trusted yet.

    Returns:
        The lab that `config_dir` names, or `DLEXP_LAB`, or the current folder; None if there is none.

    Raises:
        ConfigError: If there is no lab where one is named, if its dlexp.toml is wrong, or if its folder is not trusted.
    """
    if config_dir is not None:
        conf = Path(config_dir).expanduser().resolve()
        if conf.name != "conf" or not conf.is_dir():
            raise ConfigError(f"--config-dir: expected the folder conf/ of a lab, got {make_printable(config_dir)}.")
        return read_lab(conf.parent)
    if named := os.environ.get(VARIABLE):
        folder = Path(named).expanduser().resolve()
        if not (folder / "conf").is_dir():
            raise ConfigError(f"{VARIABLE}: expected a folder that holds conf/, got {make_printable(named)}.")
        return read_lab(folder)
    here = Path.cwd().resolve()
    if not (here / FILE).is_file():
        return None
    if not is_trusted(here) and not (may_ask and _ask(here)):
        raise ConfigError(
            f"{here} holds a {FILE}, so its options and Python modules would be used, and it is not a folder that you trust. "
            f"If you know what it contains: dlexp trust {here}"
        )
    return read_lab(here)


def read_lab(folder: Path) -> Lab:
    """Read the dlexp.toml of a lab, if it has one.

    Raises:
        ConfigError: If the file holds anything but paths inside the folder.
    """
    import tomllib  # not needed where there is no lab

    try:
        content = tomllib.loads(read_regular_file(folder / FILE, MAX_BYTES).decode())
    except FileNotFoundError:
        return Lab(folder)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / FILE}: cannot be read: {make_printable(str(error))}.") from None
    problems, settings = [], {}
    for key, value in content.items():
        if key not in SETTINGS:
            problems.append(f"{folder / FILE}: {make_printable(key)}: no such key. Keys: {', '.join(SETTINGS)}.")
        elif not _is_inside(value):
            problems.append(f"{folder / FILE}: {key}: must be a path inside the folder, got {make_printable(str(value))}.")
        else:
            settings[key] = str(folder / value)
    if problems:
        raise ConfigError(*problems)
    return Lab(folder, settings)


def _is_inside(path: object) -> bool:
    if not isinstance(path, str) or not path.isprintable():
        return False
    return path != "" and not PurePath(path).is_absolute() and ".." not in PurePath(path).parts


def trust_file() -> Path:
    """The file of the user's settings that lists the trusted folders."""
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(settings) / "dlexp" / "trusted.json"


def trusted_folders() -> list[str]:
    """The folders that the user trusts, as absolute paths. An unreadable file lists none."""
    try:
        listed = json.loads(read_regular_file(trust_file(), MAX_TRUST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    return [entry for entry in listed if isinstance(entry, str)] if isinstance(listed, list) else []


def is_trusted(folder: Path) -> bool:
    """Whether the user trusts this folder, whatever it contains now."""
    return str(folder.resolve()) in trusted_folders()


def trust(folder: Path) -> None:
    """Add a folder to the user's trusted ones.

    Raises:
        ConfigError: If there is no such folder, or if the user's settings cannot be written.
    """
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"{folder}: expected a folder, and there is none.")
    _write_trusted(list(dict.fromkeys([*trusted_folders(), str(folder)])))


def distrust(folder: Path) -> None:
    """Remove a folder from the user's trusted ones.

    Raises:
        ConfigError: If it is not one of them, or if the user's settings cannot be written.
    """
    name, listed = str(folder.expanduser().resolve()), trusted_folders()
    if name not in listed:
        raise ConfigError(f"{name}: is not among the folders that you trust.")
    _write_trusted([entry for entry in listed if entry != name])


def _write_trusted(listed: list[str]) -> None:
    from dlexp.machine.files import write_whole  # loads what no other command needs for its help or a refusal

    path = trust_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(listed, indent=1) + "\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}), and lists the folders that you trust.") from None


def _ask(folder: Path) -> bool:
    """Ask in a terminal whether to trust a folder. Anything but yes, and no terminal, means no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(
        f"{folder} holds a {FILE}: its options are used, and its Python modules run when a command chooses them.",
        file=sys.stderr,
    )
    print("Do you trust what this folder contains? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        return False
    trust(folder)
    return True
