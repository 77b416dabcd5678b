"""The runs of one command."""
