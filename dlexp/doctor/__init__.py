"""What this machine is, and whether a run fits it. Begin with `examine.py`.

Each other module reads the facts of one subject, and judges them in functions that depend on these facts alone.
"""
