"""Train one run, a sweep (-m) or a study; `python train.py --help` shows how. The same as `dlexp train`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("train", entry="scripts")
