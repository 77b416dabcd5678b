"""Data sets: readers, and what makes of them the data of one run (prepare)."""
