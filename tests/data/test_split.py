import pytest
import torch

from dlexp.contract import ConfigError
from dlexp.data.split import split_indices

CLASSES = ("a", "b", "c")
TARGETS = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)


def test_parts_are_disjoint_and_complete():
    remaining, held_out = split_indices(TARGETS, CLASSES, 0.2, seed=0, key="val_fraction")
    assert torch.equal(torch.cat([remaining, held_out]).sort().values, torch.arange(100))


def test_classes_keep_their_shares():
    remaining, held_out = split_indices(TARGETS, CLASSES, 0.2, seed=0, key="val_fraction")
    assert TARGETS[held_out].bincount().tolist() == [12, 6, 2]
    assert TARGETS[remaining].bincount().tolist() == [48, 24, 8]


def test_seed_decides_which_examples():
    first, again, other = (split_indices(TARGETS, CLASSES, 0.2, seed=seed, key="val_fraction")[1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_regression_is_split_plainly():
    remaining, held_out = split_indices(torch.randn(50, 1), (), 0.25, seed=0, key="val_fraction")
    assert (len(remaining), len(held_out)) == (37, 13)
    assert len(torch.cat([remaining, held_out]).unique()) == 50


@pytest.mark.parametrize(
    ("targets", "fraction", "rarest"),
    [
        ([0, 0, 0, 1, 1, 1, 2], 0.5, "c, has 1"),  # one example cannot lie on both sides
        ([0, 0, 0, 1, 1, 1], 0.5, "c, has 0"),
        ([0, 0, 0, 1, 1, 1, 2, 2], 0.25, "c, has 2"),  # fewer held out than there are classes
        ([0, 0, 0, 1, 1, 1, 2, 2], 0.75, "c, has 2"),
        ([0] * 50 + [1] * 50 + [2] * 2, 0.05, "c, has 2"),  # enough held out, but none of the rare class
    ],
)
def test_class_without_example_on_a_side_is_refused(targets, fraction, rarest):
    with pytest.raises(ConfigError, match=rf"^val_fraction: expected a share .* 3 classes .* got {fraction}.* {rarest}\.$"):
        split_indices(torch.tensor(targets), CLASSES, fraction, seed=0, key="val_fraction")


def test_single_example_of_a_regression_is_refused():
    with pytest.raises(ConfigError, match="^val_fraction: expected a share .* got 0.5 of 1"):
        split_indices(torch.randn(1, 1), (), 0.5, seed=0, key="val_fraction")
