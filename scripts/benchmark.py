"""Measure how fast dlexp is, compared with other ways to do the same work. The same as `dlexp benchmark`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("benchmark", entry="scripts")
