"""Averages of the weights of several steps. dlexp/training/averaging.py keeps them."""
