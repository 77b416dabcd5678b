"""Write a trained model as files that other programs read. The same as `dlexp export`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("export", entry="scripts")
