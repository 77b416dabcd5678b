"""Loads what runs need. A sweep imports this in the process from which its workers are forked, and nowhere else."""

import atexit
import gc
import os

import sklearn.model_selection  # noqa: F401  # dlexp imports it where it is needed
import torch

import dlexp.study.worker  # noqa: F401
from dlexp.run.plan import note_code

note_code()
# Torch loads a thousand modules when it is first given a tensor without memory, and when it makes its first optimizer.
torch.nn.Linear(1, 1, device="meta")(torch.zeros(1, 1, device="meta"))
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
atexit.register(os._exit, 0)  # the end of this process would first free all objects of torch, which takes a second
gc.collect()
gc.freeze()  # a collection in a worker then leaves these objects alone, so that all workers share their memory
