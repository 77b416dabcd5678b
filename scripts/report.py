"""Write the report of a study again, from its run folders. The same as `dlexp report`."""

import sys

from dlexp.commands.report import main
from dlexp.config.entry import set_entry
from dlexp.machine.process import run_command

if __name__ == "__main__":
    set_entry("scripts")
    run_command(lambda: main(sys.argv[1:]))
