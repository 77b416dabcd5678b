"""Write a trained model as files that other programs read. The same as `dlexp export`."""

import sys

from dlexp.commands.export import main
from dlexp.config.entry import set_entry
from dlexp.machine.process import run_command

if __name__ == "__main__":
    set_entry("scripts")
    run_command(lambda: main(sys.argv[1:]))
