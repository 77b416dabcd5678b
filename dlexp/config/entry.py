"""How the user starts the commands of dlexp, so that help and messages show them as they can be typed.

An installed dlexp has the command `dlexp`, and a checkout has train.py and scripts/.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping

READ_BY_SHELLS = re.compile(r"""[\s(){}<>|&;$`"'*?!#~\\]""")

_entry = "dlexp"  # of this process: `dlexp`, `python -m dlexp` or `scripts`; a notebook has the first


def set_entry(entry: str) -> None:
    """Choose how messages show commands. The file that starts the process calls this before anything else of dlexp."""
    global _entry
    _entry = entry


def get_entry() -> str:
    """How this process was started."""
    return _entry


def show_command(name: str) -> str:
    """How the user types a command: `train` → `dlexp train`, or `python train.py` where a script was started."""
    if _entry == "scripts":
        return "python train.py" if name == "train" else f"python scripts/{name}.py"
    return f"{_entry} {name}"


def show_uses(name: str, uses: Mapping[str, str]) -> str:
    """Show ways to use a command, one a line: its arguments → what it then does."""
    width = max(map(len, uses))
    return "\n".join(f"{show_command(name)} {arguments:<{width}}   {effect}" for arguments, effect in uses.items())


def show_overrides(overrides: Iterable[str]) -> str:
    """Overrides as they can be typed in a shell: in quotes where it would read parentheses, braces, spaces or `>` itself.

    >>> show_overrides(["norm=gn", "probe=[grad_flow]", "norm.groups={16: 4}"])
    "norm=gn probe=[grad_flow] 'norm.groups={16: 4}'"
    """
    return " ".join(shlex.quote(text) if READ_BY_SHELLS.search(text) else text for text in overrides)


def show_setting(key: str, value: str | float | None) -> str:
    """A setting as it can be typed in a shell: `dataset.root=photos/cats`, in quotes where its text needs them."""
    if not isinstance(value, str):
        return f"{key}={'null' if value is None else value}"
    if value.lower() in ("null", "true", "false", "nan", "inf") or not re.fullmatch(r"[A-Za-z_./][\w./-]*", value, re.ASCII):
        value = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + (r"\"" if found[2] else ""), value)  # as Hydra reads it
        value = f'"{value}"'
    return shlex.quote(f"{key}={value}")


def start_command(name: str) -> list[str]:
    """The first words of a command line that starts a command in a process of its own, as this one was started."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if _entry == "scripts":
        return [sys.executable, os.path.join(os.path.dirname(package), "train.py" if name == "train" else f"scripts/{name}.py")]
    return [sys.executable, "-P", os.path.join(package, "__main__.py"), name]  # -P: nothing from the current folder


def start_train() -> list[str]:
    """The same for the command `train`."""
    return start_command("train")
