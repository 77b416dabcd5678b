import math
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from dlexp.parts.probe.activation_stats import make_histogram
from tests.options import make, options
from tests.parts.probe.runs import measure, named


def through(activation, inputs, **changed):
    """What is found of an activation that is given just these inputs, [B, F]."""
    model = nn.Sequential(OrderedDict(act=activation, head=nn.Linear(inputs.shape[1], 2)))
    return measure("activation_stats", model, inputs, torch.zeros(len(inputs), dtype=torch.long), **changed)


# The derivative of a sigmoid is s(1 - s): 0.25 at 0, 0.0049 at 5.3, 0.0180 at 4; that of tanh, 1 - tanh², 0.0013 at 4.
@pytest.mark.parametrize(
    ("activation", "inputs", "flat", "share"),
    [
        (nn.Sigmoid(), [-5.3, -4.0, 0.0, 5.3], 0.01, 2 / 4),
        (nn.Sigmoid(), [-5.3, -4.0, 0.0, 5.3], 0.02, 3 / 4),
        (nn.Tanh(), [-4.0, 0.0, 0.1, 4.0], 0.01, 2 / 4),
        (nn.ReLU(), [-4.0, -0.1, 0.1, 4.0], 0.01, 2 / 4),
        (nn.LeakyReLU(0.02), [-4.0, -0.1, 0.1, 4.0], 0.01, 0),
        (nn.LeakyReLU(0.02), [-4.0, -0.1, 0.1, 4.0], 0.03, 2 / 4),
        (nn.Identity(), [-4.0, 4.0, 0.0, 1.0], 0.01, 0),
    ],
)
def test_saturation_is_the_share_of_entries_where_the_derivative_is_small(activation, inputs, flat, share):
    assert named(through(activation, torch.tensor([inputs]), flat=flat))["act", "saturation"] == share


def test_mean_and_sd_are_those_of_the_outputs():
    found = named(through(nn.ReLU(), torch.tensor([[-1.0, 1.0], [3.0, 4.0]])))
    assert found["act", "mean"] == 2.0
    assert found["act", "sd"] == pytest.approx(2.5**0.5)


@pytest.mark.parametrize("option", options("activation"))
def test_every_activation_is_measured(option):
    measured = through(make("activation", option)(), torch.linspace(-9, 9, 64).view(8, 8))
    assert all(math.isfinite(value) for value in named(measured).values())
    width = np.diff(measured.arrays["act/edges"])
    assert measured.arrays["act/density"].shape == (50,)
    assert (measured.arrays["act/density"] * width).sum() == pytest.approx(1, rel=1e-5)


def test_the_lowest_and_the_highest_value_are_in_the_outer_bins():
    density, edges = make_histogram(torch.tensor([0.0, 1.0, 9.9, 10.0]), 5)
    assert density.tolist() == pytest.approx([2 / 8, 0, 0, 0, 2 / 8])
    assert edges.tolist() == [0, 2, 4, 6, 8, 10]


def test_neighbouring_floats_have_a_histogram():
    values = torch.tensor([1.0, torch.nextafter(torch.tensor(1.0), torch.tensor(2.0))])
    density, edges = make_histogram(values, 50)
    assert (density * np.diff(edges)).sum() == pytest.approx(1)


def test_equal_values_fill_one_bin():
    density, edges = make_histogram(torch.zeros(7), 5)
    assert density.tolist() == pytest.approx([0, 0, 5, 0, 0])
    assert edges[[0, -1]].tolist() == [-0.5, 0.5]


def test_without_finite_outputs_there_is_no_histogram():
    measured = through(nn.ReLU(), torch.tensor([[math.nan, 1.0]]))
    assert measured.arrays == {}
    assert all(math.isnan(value) for value in named(measured).values())
