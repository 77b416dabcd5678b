from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dlexp.contract import ConfigError
from dlexp.run.setup.factories import make_probes
from tests.parts.probe.runs import dataset_of, keys, measure

POINTS, TARGETS = torch.tensor([[0.0, 10.0], [4.0, 30.0]]), torch.tensor([0, 1])  # standard deviations 2 and 10


def test_the_grid_surrounds_the_points_in_their_own_units():
    arrays = measure("decision_boundary", nn.Linear(2, 2), POINTS, TARGETS, resolution=5, margin=1).arrays
    assert arrays["x"].tolist() == [-2, 0, 2, 4, 6]
    assert arrays["y"].tolist() == [0, 10, 20, 30, 40]
    assert arrays["points"].tolist() == POINTS.tolist()
    assert arrays["targets"].tolist() == [0, 1]


def test_rows_are_y_and_columns_x():
    model = nn.Linear(2, 2)
    model.weight.data, model.bias.data = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.zeros(2)  # log odds of class 1: x
    arrays = measure("decision_boundary", model, POINTS, TARGETS, resolution=5).arrays
    expected = 1 / (1 + np.exp(-arrays["x"]))
    np.testing.assert_allclose(arrays["probability"], np.tile(expected, (5, 1)), atol=1e-3)


def test_the_model_sees_scaled_points():
    seen = []

    class Watching(nn.Linear):
        def forward(self, inputs):
            seen.append(inputs)
            return super().forward(inputs)

    dataset = replace(dataset_of(POINTS, TARGETS), shift=torch.tensor([2.0, 20.0]), factor=torch.tensor([0.5, 0.1]))
    made = make_probes({"probe": keys("decision_boundary", resolution=3)}, Watching(2, 2), dataset)["decision_boundary"]
    made.measure(POINTS, TARGETS, nn.CrossEntropyLoss())
    assert seen[0][0].tolist() == pytest.approx([-2, -2])
    assert seen[0][-1].tolist() == pytest.approx([2, 2])


@pytest.mark.parametrize(
    ("inputs", "targets", "classes", "message"),
    [
        (torch.zeros(4, 3), torch.tensor([0, 1, 0, 1]), ("a", "b"), r"shape \[3\] and 2 classes"),
        (torch.zeros(4, 2), torch.tensor([0, 1, 2, 1]), ("a", "b", "c"), r"shape \[2\] and 3 classes"),
        (torch.zeros(4, 2), torch.zeros(4, 1), (), "no classes"),
    ],
)
def test_what_is_no_plane_of_two_classes_is_refused(inputs, targets, classes, message):
    with pytest.raises(ConfigError, match=f"probe=decision_boundary: needs two features and two classes.*{message}"):
        make_probes({"probe": keys("decision_boundary")}, nn.Identity(), dataset_of(inputs, targets, classes))
