"""Train one run, a sweep (-m) or a study; `python train.py --help` shows how. The same as `dlexp train`."""

import sys

from dlexp.commands.train import main
from dlexp.config.entry import set_entry
from dlexp.machine.process import run_command

if __name__ == "__main__":
    set_entry("scripts")
    run_command(lambda: main(sys.argv[1:]))
