"""Named streams of random numbers, so that arms which differ only in the model see the same batches."""

import hashlib

import torch


def stream(seed: int, name: str, index: int = 0) -> int:
    """The seed of one stream of a run: a pure function, below 2**63.

    Args:
        seed: The run's seed.
        name: init, order, augmentation or dropout.
        index: The epoch, for streams that begin anew with each.
    """
    digest = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def generator(seed: int, name: str, index: int = 0) -> torch.Generator:
    """One stream of a run from its beginning, on the CPU and apart from torch's global one."""
    return torch.Generator().manual_seed(stream(seed, name, index))
