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


GROUPS = torch.arange(100) // 5 % 20  # five examples each; of one class but for two groups at the borders


@pytest.mark.parametrize(("targets", "classes"), [(TARGETS, CLASSES), (torch.randn(100, 1), ())])
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.75])
def test_groups_are_on_one_side(targets, classes, fraction):
    remaining, held_out = split_indices(targets, classes, fraction, seed=0, key="val_fraction", groups=GROUPS)
    assert torch.equal(torch.cat([remaining, held_out]).sort().values, torch.arange(100))
    assert not set(GROUPS[remaining].tolist()) & set(GROUPS[held_out].tolist())
    assert len(held_out) == pytest.approx(100 * fraction, abs=10)
    again = split_indices(targets, classes, fraction, seed=0, key="val_fraction", groups=GROUPS)[1]
    assert torch.equal(held_out, again)


@pytest.mark.parametrize(
    ("groups", "fraction", "message"),
    [
        (torch.zeros(100).long(), 0.2, "val_fraction: expected two groups or more, got one."),
        (TARGETS, 0.2, "val_fraction: expected a share of at least 0.333, as there are 3 groups, got 0.2."),
        (TARGETS, 0.8, "val_fraction: expected a share of at most 0.667, as there are 3 groups, got 0.8."),
        (TARGETS, 0.5, r"val_fraction: expected a share that leaves each of the 3 classes an example on both sides"),
        (torch.arange(100), 0.017, r"val_fraction: expected a share that .* on both sides|of at least one example"),
    ],
)
def test_groups_that_cannot_be_split_are_refused(groups, fraction, message):
    with pytest.raises(ConfigError, match=message):
        split_indices(TARGETS, CLASSES, fraction, seed=0, key="val_fraction", groups=groups)
