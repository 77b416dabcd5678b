"""How fast dlexp is compared with something else that does the same work.

Pairs of measurements are interleaved, with a control and an interval. Begin with `comparison.py` and `comparisons.py`.
"""
