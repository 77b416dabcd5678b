"""Everything that a run leaves on disk.

Begin with folder.py. checkpoint.py saves states, identity.py computes the id, lock.py keeps other processes out.
"""
