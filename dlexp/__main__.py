"""`python -m dlexp`, the same as the command `dlexp`. `dlexp reproduce` starts this file by its path."""

import sys
from os.path import abspath, dirname

if not __package__ and (parent := dirname(dirname(abspath(__file__)))) not in sys.path:
    sys.path.insert(0, parent)  # started by its path in a checkout that is not installed

from dlexp.commands.main import run

if __name__ == "__main__":
    run("python -m dlexp" if __package__ else "dlexp")
