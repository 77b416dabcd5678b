"""A Hydra-configured PyTorch laboratory for ablation studies. Begin with contract.py, then run/execute.py."""

__version__ = "0.1.0"
