"""Everything that a run writes: its folder (folder.py), saved states, id and lock."""
