"""A data set of one's own: a table in a file."""

import numpy as np
import torch

from dlexp.contract import Source, Split
from dlexp.data.split import hold_out_test


def read(*, path: str, test_fraction: float, data_seed: int) -> Source:
    """Read a CSV file, and hold out a stratified test set.

    Args:
        path: The file: a line for each example, a column for each feature, and last the label, 0 or 1.
        test_fraction: The share of the test set, in (0, 1).
        data_seed: Draws the test set.
    """
    table = torch.from_numpy(np.loadtxt(path, delimiter=","))
    examples = Split(table[:, :-1].float(), table[:, -1].long())
    return hold_out_test(examples, ("outer", "inner"), test_fraction=test_fraction, data_seed=data_seed)
