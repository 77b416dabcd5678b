"""Refuses data that this machine cannot hold, before they are made."""

from dlexp.contract import ConfigError
from dlexp.machine.memory import read_memory


def check_room(num_bytes: int, keys: str) -> None:
    """Check that data which are about to be generated fit into the free memory.

    Args:
        num_bytes: The most memory that they take while they are made.
        keys: The keys of the dataset that say how many there are, separated by commas.

    Raises:
        ConfigError: If they do not fit.
    """
    if num_bytes > (available := read_memory().available):
        names = ", ".join(f"dataset.{key}" for key in keys.split(", "))
        raise ConfigError(
            f"{names}: expected data that fit into memory, got {num_bytes / 2**30:,.1f} GiB to make them, and this machine has "
            f"{available / 2**30:,.1f} GiB free: lower one of them."
        )
