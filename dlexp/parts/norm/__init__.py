"""Normalisation layers for features [B, C] and images [B, C, H, W], all with the same signature."""
