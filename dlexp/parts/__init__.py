"""The options of each group that PyTorch lacks."""
