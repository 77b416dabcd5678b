"""Measure how fast dlexp is, compared with other ways to do the same work. The same as `dlexp benchmark`."""

import sys

from dlexp.commands.benchmark import main
from dlexp.config.entry import set_entry
from dlexp.machine.process import run_command

if __name__ == "__main__":
    set_entry("scripts")
    run_command(lambda: main(sys.argv[1:]))
