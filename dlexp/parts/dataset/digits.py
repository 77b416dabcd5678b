"""scikit-learn's handwritten digits."""

import torch

from dlexp.contract import Source, Split
from dlexp.data.split import hold_out_test


def read(*, test_fraction: float, data_seed: int) -> Source:
    """Read 1,797 grey images of 8x8 pixels with values 0..16.

    Args:
        test_fraction: Share that becomes the test split, stratified.
        data_seed: Seed of the split.

    Source: test set of Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    inputs = torch.from_numpy(digits.images).to(torch.uint8)[:, None]
    targets = torch.from_numpy(digits.target).long()
    classes = tuple(str(digit) for digit in digits.target_names)
    return hold_out_test(Split(inputs, targets), classes, test_fraction=test_fraction, data_seed=data_seed)
