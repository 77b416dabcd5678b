"""Loads everything that a small run needs. tests/processes.py imports it in the process from which it forks."""

import gc
import tempfile
from pathlib import Path

import torch
import torchvision  # noqa: F401

from tests.runs import MOONS, run

torch.set_num_threads(1)  # a fork would lack the other threads
with tempfile.TemporaryDirectory() as folder:
    run(*MOONS, "precision=fp16", "checkpoint_every=0", root=Path(folder))
gc.collect()
gc.freeze()  # a collection in a fork need not look through the objects of all modules
