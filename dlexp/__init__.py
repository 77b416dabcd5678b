"""A Hydra-configured PyTorch laboratory for ablation studies. Read `contract.py` first, then `run/execute.py`."""
