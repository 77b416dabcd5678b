"""Measurements of a model on one fixed batch, which never change its training. How they are called: dlexp/measure.py."""
