"""Aggregate the runs of a study over its seeds and judge its predictions. Begin with analyse.py."""
