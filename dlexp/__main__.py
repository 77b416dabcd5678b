"""`python -m dlexp` and the installed command `dlexp`; dlexp/commands/main.py has what they do.

Until the current folder is off `sys.path`, this file imports only modules that Python has loaded itself.
"""

import os
import sys


def run(entry: str = "dlexp") -> None:
    """Run the command line of this process, and end the process with its exit code.

    Args:
        entry: How the user started it, as in dlexp/config/entry.py.
    """
    stop_importing_from_current_folder()
    from dlexp.commands.start import start

    start("main", entry)


def stop_importing_from_current_folder() -> None:
    """Take the current folder off `sys.path`: a file there, such as torch.py or hydra_plugins/, is not to be imported.

    In a checkout that is not installed dlexp itself comes from there. The folder is then searched last, for hydra_plugins/.
    Processes that this one starts do not import from their current folder either.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        here = os.path.realpath(os.getcwd())
    except FileNotFoundError:  # the folder was deleted
        here = ""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    others = [entry for entry in sys.path if entry and os.path.realpath(entry) != here]
    # `root` is missing too where this file was started by its path in a checkout that is not installed.
    sys.path[:] = [*others, *([] if root in others else [root])]


if __name__ == "__main__":
    run("python -m dlexp" if __package__ else "dlexp")
