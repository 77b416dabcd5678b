"""Agree to use the options and the Python modules of a lab, a folder with a dlexp.toml, where it is the current folder."""

import argparse
import sys
from pathlib import Path

from dlexp.config.entry import show_command
from dlexp.config.lab import distrust, trust, trust_file, trusted_folders
from dlexp.errors import ConfigError


def main(arguments: list[str]) -> int:
    """Add a folder to those that the user trusts, take it away, or list them.

    Returns:
        The exit code: 2 if the command is wrong.
    """
    parser = argparse.ArgumentParser(show_command("trust"), description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="the lab; without one, the trusted folders are listed")
    parser.add_argument("--remove", action="store_true", help="trust the folder no longer")
    given = parser.parse_args(arguments)
    if given.folder is None:
        if given.remove:
            parser.error("--remove needs a folder")
        print(*trusted_folders() or ["No folder is trusted."], sep="\n")
        return 0
    try:
        (distrust if given.remove else trust)(given.folder)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{given.folder.expanduser().resolve()} is {'no longer ' if given.remove else ''}trusted ({trust_file()}).")
    return 0
