"""Predict with a trained run. The same as `dlexp predict`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("predict", entry="scripts")
