"""Train a model, a batch at a time. Knows no config and no files.

Begin with loop.py, then learner.py (what a trainer needs of a learner), single_learner.py and step.py.
"""
