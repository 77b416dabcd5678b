"""Show what this machine has, and whether a run fits it. The same as `dlexp doctor`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("doctor", entry="scripts")
