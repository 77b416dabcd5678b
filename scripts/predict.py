"""Predict with a trained run. The same as `dlexp predict`."""

import sys

from dlexp.commands.predict import main
from dlexp.config.entry import set_entry
from dlexp.machine.process import run_command

if __name__ == "__main__":
    set_entry("scripts")
    run_command(lambda: main(sys.argv[1:]))
