"""List the runs of a study without running them. The same as `dlexp plan`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("plan", entry="scripts")
