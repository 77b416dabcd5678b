"""Named streams of random numbers, so that arms which differ only in the model see the same batches."""

import hashlib


def stream(seed: int, name: str, index: int = 0) -> int:
    """The seed of one stream of a run: a pure function, below 2**63.

    Args:
        seed: The run's seed.
        name: init, order, augmentation or dropout.
        index: The epoch, for streams that begin anew with each.
    """
    digest = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
