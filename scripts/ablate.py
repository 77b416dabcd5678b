"""Run a recipe without each of its parts, and the plain run with each. The same as `dlexp ablate`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("ablate", entry="scripts")
