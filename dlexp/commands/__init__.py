"""The commands: `dlexp train` is train.py, and so on. Begin with main.py, which lists them.

Each module has `main(arguments)`, which does what was typed after the command's name and returns the exit code.
"""
