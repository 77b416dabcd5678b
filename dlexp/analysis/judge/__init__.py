"""Means, intervals and verdicts."""
