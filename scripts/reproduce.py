"""Run every published study, or those named, one after the other. The same as `dlexp reproduce`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("reproduce", entry="scripts")
