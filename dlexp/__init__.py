"""A Hydra-configured PyTorch laboratory for ablation studies. Begin with contract.py, then run/execute.py."""
