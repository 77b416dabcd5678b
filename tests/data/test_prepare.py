import copy
import dataclasses
import subprocess
import sys

import pytest
import torch

from dlexp.contract import ConfigError, Source, Split
from dlexp.data.prepare import prepare
from dlexp.data.scale import fit_scale

CLASSES = ("cat", "dog", "emu")


def split(counts, seed=0, channels=2):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    targets = targets[torch.randperm(len(targets), generator=generator)]
    pixels = torch.randint(0, 256, (len(targets), channels, 3, 3), generator=generator)
    return Split(pixels.to(torch.uint8), targets)


def images(train=(40, 30, 20), test=(5, 5, 5)):
    return Source(train=split(train), test=split(test, seed=1), classes=CLASSES)


def line(num_train=40):
    x = torch.linspace(-1, 1, num_train)[:, None]
    return Source(train=Split(x, 2 * x), test=Split(x, 2 * x), classes=())


def prepared(source, **changes):
    usual = {"per_class": None, "val_fraction": 0.2, "scale": "standardize", "scale_on": "train", "data_seed": 42}
    return prepare(source, **usual | changes)


def rows(*splits):
    return {tuple(image.flatten().tolist()) for split in splits for image in split.inputs}


def test_validation_split_is_cut_from_the_training_examples():
    source = images()
    dataset = prepared(source)
    assert (len(dataset.train.targets), len(dataset.val.targets)) == (72, 18)
    assert rows(dataset.train, dataset.val) == rows(source.train)
    assert not rows(dataset.train) & rows(dataset.val)
    assert dataset.val.targets.bincount().tolist() == [8, 6, 4]


def test_regression_has_a_validation_split_too():
    dataset = prepared(line(), val_fraction=0.25)
    assert (len(dataset.train.targets), len(dataset.val.targets)) == (30, 10)
    assert dataset.task == "regression"
    assert torch.equal(dataset.val.targets, 2 * dataset.val.inputs)


def test_same_seed_same_splits_other_seed_other_splits():
    first, again, other = (prepared(images(), data_seed=seed, per_class=10) for seed in (1, 1, 2))
    assert torch.equal(first.train.inputs, again.train.inputs)
    assert torch.equal(first.val.inputs, again.val.inputs)
    assert not torch.equal(first.train.inputs, other.train.inputs)


def test_without_validation_split_nothing_is_copied():
    source = images()
    dataset = prepared(source, val_fraction=0)
    assert dataset.val is None
    assert dataset.train is source.train
    assert dataset.test is source.test


def test_without_validation_split_scikit_learn_is_not_imported():
    code = """
import sys, torch
from dlexp.contract import Source, Split
from dlexp.data.prepare import prepare
part = Split(torch.zeros(4, 1), torch.tensor([0, 1, 0, 1]))
prepare(Source(part, part, ("a", "b")), per_class=1, val_fraction=0, scale="unit", scale_on="train", data_seed=0)
assert "sklearn" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("imbalance", "expected"), [(4.0, [40, 15, 5]), ([1.0, 0.1, 0.5], [40, 3, 10]), ([0.001, 1, 1], [1, 30, 20])]
)
def test_classes_are_thinned_out_in_the_training_split_alone(imbalance, expected):
    source = images()
    dataset = prepared(source, imbalance=imbalance, val_fraction=0)
    assert dataset.train.targets.bincount().tolist() == expected
    assert rows(dataset.train) < rows(source.train)
    assert torch.equal(dataset.test.targets, source.test.targets)


def test_thinning_follows_the_subset_and_comes_before_the_validation_split():
    dataset = prepared(images(), per_class=20, imbalance=2.0, val_fraction=0.2)
    assert (dataset.train.targets.bincount() + dataset.val.targets.bincount()).tolist() == [20, 14, 10]


def test_a_larger_share_keeps_what_a_smaller_one_keeps():
    small, large = (prepared(images(), imbalance=factor, val_fraction=0) for factor in (10, 3))
    assert rows(small.train) < rows(large.train)
    other = prepared(images(), imbalance=10, val_fraction=0, data_seed=1)
    assert rows(small.train) != rows(other.train)


@pytest.mark.parametrize(
    ("source", "imbalance", "message"),
    [
        (images(), [0.5, 0.5], r"dataset\.imbalance: expected 3 numbers, one for each class, got 2\."),
        (images(), [1.0, 1.0, 1.0], r"dataset\.imbalance=\[1\.0, 1\.0, 1\.0\] has no effect"),
        (images(), 1.001, r"dataset\.imbalance=1\.001 has no effect: it keeps all examples"),
        (line(), 10.0, r"dataset\.imbalance: expected null, as a regression has no classes, got 10"),
    ],
)
def test_an_imbalance_that_cannot_be_or_changes_nothing_is_refused(source, imbalance, message):
    with pytest.raises(ConfigError, match=message):
        prepared(source, imbalance=imbalance)


@pytest.mark.parametrize("per_class", [1, 7, 20])
def test_subset_is_balanced(per_class):
    source = images()
    dataset = prepared(source, per_class=per_class, val_fraction=0)
    assert dataset.train.targets.bincount().tolist() == [per_class] * 3
    assert rows(dataset.train) <= rows(source.train)
    assert dataset.test is source.test


def test_smaller_subset_is_part_of_a_larger_one():
    small, large = (prepared(images(), per_class=per_class, val_fraction=0) for per_class in (5, 12))
    assert rows(small.train) < rows(large.train)


def test_validation_split_is_cut_from_the_subset():
    dataset = prepared(images(), per_class=10)
    assert dataset.train.targets.bincount().tolist() == [8, 8, 8]
    assert dataset.val.targets.bincount().tolist() == [2, 2, 2]


FITTED = pytest.mark.parametrize("scale", ["unit", "standardize", "standardize_features", "minmax"])


@FITTED
def test_scale_is_fitted_on_the_training_examples_alone(scale):
    source = images()
    source.test.inputs.fill_(255)
    dataset = prepared(source, scale=scale)
    alone = prepared(Source(dataset.train, source.test, CLASSES), val_fraction=0, scale=scale)
    other = Source(source.train, split([5, 5, 5], seed=9), CLASSES)
    for one in (alone, prepared(other, scale=scale)):
        assert torch.equal(one.shift, dataset.shift)
        assert torch.equal(one.factor, dataset.factor)


@FITTED
@pytest.mark.parametrize("val_fraction", [0, 0.2])
def test_scale_on_all_is_fitted_on_every_split(scale, val_fraction):
    source = images()
    source.test.inputs[:, :, 0].fill_(255)
    dataset = prepared(source, scale=scale, scale_on="all", val_fraction=val_fraction)
    everything = torch.cat([source.train.inputs, source.test.inputs])
    for got, expected in zip((dataset.shift, dataset.factor), fit_scale(everything, scale), strict=True):
        assert torch.equal(got, expected)


def test_images_stay_uint8_and_regression_targets_unscaled():
    assert prepared(images()).train.inputs.dtype == torch.uint8
    dataset = prepared(line(), val_fraction=0)
    assert torch.equal(dataset.train.targets, line().train.targets)


@pytest.mark.parametrize("changes", [{}, {"val_fraction": 0}, {"per_class": 5}, {"scale": "minmax"}])
def test_source_is_left_as_it_is(changes):
    source = images()
    before = copy.deepcopy(source)
    prepared(source, **changes)
    for part in ("train", "test"):
        for now, then in zip(getattr(source, part), getattr(before, part), strict=True):
            assert torch.equal(now, then)


def test_too_few_examples_for_a_subset_are_refused():
    with pytest.raises(ConfigError, match=r"dataset\.per_class: expected at most 20, .* class emu, got 21\."):
        prepared(images(), per_class=21)


def test_subset_of_a_regression_is_refused():
    with pytest.raises(ConfigError, match=r"dataset\.per_class: expected null.* got 5\."):
        prepared(line(), per_class=5)


def test_one_example_a_class_cannot_be_split():
    with pytest.raises(ConfigError, match="^val_fraction: .* the rarest class, .*, has 1"):
        prepared(images(), per_class=1)


@pytest.mark.parametrize(("train", "test"), [([9, 9, 0], [5, 5, 5]), ([9, 9, 9], [5, 0, 5]), ([9, 0, 0], [0, 5, 5])])
def test_every_class_missing_from_a_split_is_named(train, test):
    with pytest.raises(ConfigError) as refusal:
        prepared(images(train, test), val_fraction=0)
    for name, counts in (("training", train), ("test", test)):
        missing = ", ".join(label for label, count in zip(CLASSES, counts, strict=True) if count == 0)
        assert (f"in the {name} split, got none of {missing}." in str(refusal.value)) == bool(missing)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("field", ["inputs", "targets"])
def test_numbers_that_are_not_finite_are_refused(part, field, value):
    source = copy.deepcopy(line())
    getattr(getattr(source, part), field)[3] = value
    with pytest.raises(ConfigError, match=f"expected finite numbers, got 1 NaN or infinite {field} in the {part}"):
        prepared(source)


NAN = float("nan")


@pytest.mark.parametrize(("statistic", "expected"), [("mean", 3.0), ("median", 2.0), ("most_frequent", 2.0)])
def test_missing_values_are_filled_from_the_training_part(statistic, expected):
    train = Split(torch.tensor([[2.0], [2.0], [5.0], [NAN]]), torch.tensor([0, 1, 0, 1]))
    test = Split(torch.tensor([[NAN], [100.0]]), torch.tensor([0, 1]))
    source = Source(train, test, ("a", "b"), impute=statistic)
    dataset = prepare(source, per_class=None, val_fraction=0.0, scale="none", scale_on="train", data_seed=0)
    assert dataset.fill.tolist() == [expected]
    assert dataset.train.inputs.flatten().tolist() == [2.0, 2.0, 5.0, expected]
    assert dataset.test.inputs.flatten().tolist() == [expected, 100.0]
    assert source.test.inputs.isnan().any()  # the source is as it was


def test_held_out_examples_do_not_enter_the_fill():
    inputs = torch.arange(20.0)[:, None]
    source = Source(Split(inputs, torch.arange(20) % 2), Split(inputs[:2], torch.arange(2)), ("a", "b"), impute="mean")
    dataset = prepare(source, per_class=None, val_fraction=0.4, scale="none", scale_on="train", data_seed=0)
    assert dataset.fill.item() == pytest.approx(dataset.train.inputs.mean().item())
    assert dataset.fill.item() != pytest.approx(inputs.mean().item())


def test_a_feature_without_any_value_is_refused():
    split = Split(torch.tensor([[1.0, NAN], [2.0, NAN]]), torch.arange(2))
    with pytest.raises(ConfigError, match="none in feature 2"):
        prepare(
            Source(split, split, ("a", "b"), impute="mean"),
            per_class=None,
            val_fraction=0.0,
            scale="none",
            scale_on="train",
            data_seed=0,
        )


def test_infinite_values_are_refused_where_missing_ones_are_filled():
    split = Split(torch.tensor([[1.0], [float("inf")]]), torch.arange(2))
    with pytest.raises(ConfigError, match="1 NaN or infinite inputs"):
        prepare(
            Source(split, split, ("a", "b"), impute="mean"),
            per_class=None,
            val_fraction=0.0,
            scale="none",
            scale_on="train",
            data_seed=0,
        )


def with_val(val=(2, 2, 2)):
    return dataclasses.replace(images(), val=split(val, seed=2))


def test_the_validation_split_of_a_data_set_is_used_whole():
    source = with_val()
    dataset = prepared(source, val_fraction=0.1, per_class=4)
    assert dataset.val is source.val
    assert len(dataset.train.targets) == 12
    assert dataset.has_own_val
    on_all = prepared(source, val_fraction=0.1, scale_on="all")
    assert not torch.equal(on_all.shift, prepared(source, val_fraction=0, scale_on="all").shift)


def test_no_validation_split_is_used_where_none_is_wanted():
    dataset = prepared(with_val(), val_fraction=0)
    assert dataset.val is None
    assert not dataset.has_own_val


def test_another_share_than_the_default_is_refused_beside_a_validation_split():
    with pytest.raises(ConfigError, match=r"^val_fraction: expected 0\.1, the default, .* or 0 for none; got 0\.2"):
        prepared(with_val())


def test_a_class_missing_from_the_validation_split_is_named():
    with pytest.raises(ConfigError, match="every class in the validation split, got none of emu"):
        prepared(with_val((2, 2)), val_fraction=0.1)


def test_the_validation_split_of_a_data_set_is_filled_with_values_of_the_training_split():
    inputs = torch.tensor([[1.0], [3.0], [torch.nan]])
    part = Split(inputs, torch.tensor([0, 1, 1]))
    dataset = prepared(Source(part, part, ("a", "b"), impute="mean", val=part), val_fraction=0.1)
    assert dataset.val.inputs.flatten().tolist() == [1, 3, 2]
