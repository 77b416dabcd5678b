"""Models. mlp.py is the shortest; begin there."""
