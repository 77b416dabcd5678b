"""Readers of data sets. dlexp/data/prepare.py turns what they return into the data of a run."""
