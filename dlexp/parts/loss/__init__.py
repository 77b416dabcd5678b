"""Losses that PyTorch does not have."""
