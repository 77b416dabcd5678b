"""Named random streams. Runs with the same seed see the same batches, even if their models draw different random numbers."""

import hashlib

import torch


def derive_seed(seed: int, name: str, index: int = 0) -> int:
    """Derive the seed of one random stream of a run: a pure function, below 2**63.

    Args:
        seed: The seed of the run.
        name: Name of the stream: init, order, augmentation or dropout.
        index: The epoch, if the stream restarts in each epoch.
    """
    digest = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def make_generator(seed: int, name: str, index: int = 0) -> torch.Generator:
    """Make a CPU generator at the start of a stream. It is independent of torch's global generator."""
    return torch.Generator().manual_seed(derive_seed(seed, name, index))
