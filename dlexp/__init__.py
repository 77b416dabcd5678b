"""A Hydra-configured PyTorch laboratory for ablation studies. Read `contract.py` first, then `run/execute.py`."""

import os

# Large tensors on huge pages: on a CPU a third to a half of the time of a large convolutional net went into page faults.
# torch reads it at its first allocation. It moves memory, and changes no number.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
