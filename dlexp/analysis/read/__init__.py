"""Read run folders and runs.csv into tables. Begin with load.py; folder.py reads a single run folder."""
