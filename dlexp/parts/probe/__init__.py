"""Measurements of a model on one fixed batch, which never change its training. dlexp/training/probing.py calls them."""
