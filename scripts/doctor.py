"""Show what this machine has, and whether a run fits it. The same as `dlexp doctor`."""

import sys

from dlexp.commands.doctor import main
from dlexp.config.entry import set_entry
from dlexp.machine.process import run_command

if __name__ == "__main__":
    set_entry("scripts")
    run_command(lambda: main(sys.argv[1:]))
