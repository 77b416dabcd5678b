"""One run: planned, set up, trained and recorded.

Begin with execute.py, which has the order of events. plan.py finds the id and folder of a run, trainer.py runs the loop, and
run_state.py decides what happens at the end of each epoch.
"""
