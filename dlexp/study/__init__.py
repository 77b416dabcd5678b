"""Studies and sweeps: many runs of one command, checked together and run one after the other.

definition.py reads a study, request.py what a command asks of it, run.py runs it by sweep.py, protocol.py lists the ids for the
report, and choice.py says which settings a study that tunes has chosen.
"""
