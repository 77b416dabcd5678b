"""Options that PyTorch does not have: the factory of conf/<group>/<option>.yaml is in <group>/<option>.py.

Their interfaces are in dlexp/contract.py. Parts do not import parts of another group.
"""
