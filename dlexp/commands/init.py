"""Make a lab: a folder for parts of your own, with an activation, a model, a data set, a study and a test that work at once."""

import argparse
import shutil
import sys
from pathlib import Path

from dlexp.config.entry import show_command
from dlexp.config.lab import trust
from dlexp.errors import ConfigError
from dlexp.machine.files import write_whole

TEMPLATE = Path(__file__).with_name("lab_template")
NOT_COPIED = shutil.ignore_patterns("__pycache__")


def main(arguments: list[str]) -> int:
    """Make the folder, trust it, and print what to do next.

    Returns:
        The exit code: 2 if the folder exists and is not empty, or cannot be made.
    """
    parser = argparse.ArgumentParser(show_command("init"), description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder to make")
    folder = parser.parse_args(arguments).folder.expanduser()
    try:
        make_lab(folder)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    train, check = show_command("train"), show_command("check")
    print(f"{folder} is a lab: its README.md explains what it holds. Your settings now list it as trusted.")
    print(f"  cd {folder}", f"  {train} dataset=rings model=skip_mlp activation=bent", sep="\n")
    print(f"  {check} activation=bent", f"  {train} study=bent_depth", sep="\n")
    return 0


def make_lab(folder: Path) -> None:
    """Copy the template to a folder, and trust it.

    Raises:
        ConfigError: If the folder exists and is not empty, or if it cannot be made.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder}: expected a new or empty folder, and it is not: choose another name.")
        shutil.copytree(TEMPLATE, folder, ignore=NOT_COPIED, copy_function=_copy, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise ConfigError(f"{folder}: cannot be made ({error}).") from None
    trust(folder)


def _copy(source: str, target: str) -> None:
    write_whole(Path(target), Path(source).read_bytes())
