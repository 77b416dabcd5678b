"""Use a trained run: load its model, predict, export. Begin with load.py."""
