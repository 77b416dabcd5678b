"""Measurements of a model on one fixed batch. dlexp/training/probing.py calls them and restores the state of the model."""
