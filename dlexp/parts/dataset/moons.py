"""Two moons: a binary classification in the plane."""

import torch

from dlexp.contract import Source, Split
from dlexp.data.room import check_room
from dlexp.data.split import hold_out_test

BYTES = 150  # of memory for each example, while they are made in float64 and divided


def read(*, num_examples: int, noise: float, test_fraction: float, data_seed: int) -> Source:
    """Make two interleaved half circles of radius 1.

    Args:
        num_examples: Number of examples in both classes together.
        noise: Standard deviation of the Gaussian added to each coordinate.
        test_fraction: Share that becomes the test split, stratified.
        data_seed: Seed of the noise and the split.

    Raises:
        ConfigError: If they do not fit into memory.
    """
    from sklearn.datasets import make_moons

    check_room(BYTES * num_examples, "num_examples")
    inputs, targets = make_moons(num_examples, noise=noise, random_state=data_seed)
    examples = Split(torch.from_numpy(inputs).float(), torch.from_numpy(targets).long())
    return hold_out_test(examples, ("upper", "lower"), test_fraction=test_fraction, data_seed=data_seed)
