"""Verify that the files of runs and studies are what was written, by their SHA-256 sums."""

import argparse
from collections import Counter
from pathlib import Path

from dlexp.commands.attempt import attempt
from dlexp.config.entry import show_command, show_uses
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.machine.printing import put_on_one_line
from dlexp.run.record.verify import Verified, verify_tree

USES = {
    "": "every run and study below outputs/",
    "outputs/adhoc": "those of one folder",
    "RUN_FOLDER": "one run",
}
EXIT_CODES = "Exit codes: 0 nothing is damaged, 1 something is, 2 the command is wrong."


def main(arguments: list[str]) -> int:
    """Verify folders, name what is damaged, and count the rest.

    Returns:
        The exit code: 0 if nothing is damaged, 1 if something is, 2 if the command is wrong.
    """
    parser = argparse.ArgumentParser(
        show_command("verify"),
        description=f"{__doc__}\n\n{show_uses('verify', USES)}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")], metavar="FOLDER", help="(default: outputs)")
    return attempt(lambda: _verify(parser.parse_args(arguments).folders))


def _verify(folders: list[Path]) -> int:
    roots = [folder.expanduser() for folder in folders]
    if missing := [root for root in roots if not root.is_dir()]:
        raise ConfigError(*(f"{make_printable(str(root))}: there is no such folder." for root in missing))
    counts: Counter[str] = Counter()
    for root in roots:
        for found in verify_tree(root):
            counts[_classify(found)] += 1
            counts["gone"] += len(found.gone)
            if found.problems:
                print(put_on_one_line(f"{found.path}: {'; '.join(found.problems)}"))
    whole, damaged, unsummed = counts["whole"], counts["damaged"], counts["unsummed"]
    parts = [f"{whole} as they were written", f"{damaged} damaged"]
    parts += [f"{unsummed} without sums, from older versions or without a saved state"] if unsummed else []
    print(f"{whole + damaged + unsummed} runs and files of studies: {', '.join(parts)}.")
    if counts["gone"]:
        print(f"{counts['gone']} files of finished runs were deleted.")
    return int(damaged > 0)


def _classify(found: Verified) -> str:
    if found.problems:
        return "damaged"
    return "whole" if found.summed else "unsummed"
