"""Checks of one option against the contract of its group, for `dlexp check` and for the project's own tests.

Read check.py first: it lists the checks of each group. `Part` is what is checked, `Case` is what the checks share.
"""
