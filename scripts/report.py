"""Write the report of a study again, from its run folders. The same as `dlexp report`."""

from dlexp.commands.start import start

if __name__ == "__main__":
    start("report", entry="scripts")
