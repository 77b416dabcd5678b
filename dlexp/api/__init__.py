"""The Python API: what `import dlexp` offers to a notebook or a script. Begin with train.py and run.py."""
