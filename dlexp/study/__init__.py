"""Studies and sweeps: many runs of one command, checked together and run one after the other.

definition.py reads a study, request.py what a command asks of it, sweep.py runs, protocol.py lists the ids for the report.
"""
