"""Loads everything that a small run needs. tests/processes.py imports it in the process from which it forks."""

import tempfile
from pathlib import Path

import torch

from tests.runs import MOONS, run

torch.set_num_threads(1)  # a fork would lack the other threads
with tempfile.TemporaryDirectory() as folder:
    run(*MOONS, "precision=fp16", "checkpoint_every=0", root=Path(folder))
