"""Run every published study, or those named, one after the other. The same as `dlexp reproduce`."""

import sys

from dlexp.commands.reproduce import main
from dlexp.config.entry import set_entry
from dlexp.machine.process import run_command

if __name__ == "__main__":
    set_entry("scripts")
    run_command(lambda: main(sys.argv[1:]))
