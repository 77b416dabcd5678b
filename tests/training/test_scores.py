import pytest
import torch
import torch.nn.functional as F

from dlexp.training.scores import SCORES

OUTPUTS = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 5.0], [1.0, 4.0, 2.0]])  # predicts 0, 2, 1


def test_correct_predictions_are_counted():
    assert SCORES["classification"].of_batch(OUTPUTS, torch.tensor([0, 2, 0])).item() == 2


@pytest.mark.parametrize("labels", [[0, 2, 1], [0, 2, 0], [1, 1, 2]])
def test_one_hot_targets_give_the_score_of_labels(labels):
    labels, score = torch.tensor(labels), SCORES["classification"]
    assert score.of_batch(OUTPUTS, F.one_hot(labels, 3).float()) == score.of_batch(OUTPUTS, labels)


def test_the_most_probable_class_of_soft_targets_is_the_right_one():
    targets = torch.tensor([[0.75, 0.25, 0.0], [0.1, 0.5, 0.4], [0.25, 0.5, 0.25]])
    predicted = OUTPUTS.argmax(1)
    score = SCORES["classification"].of_batch(OUTPUTS, targets)
    assert score == (predicted == torch.tensor([0, 1, 1])).sum()
    assert 0 < score < 3


def test_a_regression_has_its_root_mean_squared_error():
    score = SCORES["regression"].of_batch(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [5.0]]))
    assert SCORES["regression"].of_all(float(score), 2) == {"rmse": pytest.approx(4.5**0.5)}
