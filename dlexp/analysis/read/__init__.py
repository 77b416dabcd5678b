"""Run folders as tables."""
