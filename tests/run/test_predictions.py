import numpy as np
import pytest
import torch

from dlexp.run.predictions import NUM_SAMPLE, NUM_WORST, select_predictions
from dlexp.training.single_learner import SingleLearner
from tests.parts.probe.runs import dataset_of, run_with
from tests.runs import IMAGES, MOONS

LINE = ("dataset=noisy_line", "model=mlp", "loss=mse", "norm=none", "batch_size=16", "epochs=2", "depth=2", "width=16")


def run_and_load(*overrides, root):
    summary, _, folder = run_with({}, *overrides, root=root)
    return summary, dict(np.load(folder / "arrays" / "predictions.npz"))


@pytest.mark.parametrize("small", [MOONS, IMAGES], ids=["moons", "images"])
def test_predictions_are_those_behind_the_test_accuracy(small, tmp_path):
    summary, found = run_and_load(*small, root=tmp_path)
    assert len(found["target"]) == summary["num_test_examples"] == 30
    assert (found["target"] == found["predicted"]).mean() == pytest.approx(summary["metrics"]["test/acc"])
    loss = -np.log(found["p_target"].astype(float)).mean()
    assert loss == pytest.approx(summary["metrics"]["test/loss"], rel=1e-2)
    assert found["confusion"].sum() == 30
    assert np.diag(found["confusion"]).sum() == (found["target"] == found["predicted"]).sum()
    assert ("worst_images" in found) == (small is IMAGES)


def test_a_regression_keeps_its_numbers(tmp_path):
    summary, found = run_and_load(*LINE, root=tmp_path)
    rmse = float(np.sqrt(((found["target"] - found["predicted"]) ** 2).mean()))
    assert set(found) == {"target", "predicted", "sample"}
    assert rmse == pytest.approx(summary["metrics"]["test/rmse"], rel=1e-5)


def test_the_test_set_is_read_once(tmp_path, monkeypatch):
    calls, original = [], SingleLearner.evaluate
    monkeypatch.setattr(SingleLearner, "evaluate", lambda *given, **named: calls.append(1) or original(*given, **named))
    run_and_load(*MOONS, root=tmp_path)
    assert len(calls) == 4  # validation at epochs 0, 1 and 2, and the test


def test_a_row_of_the_confusion_matrix_is_a_target():
    dataset = dataset_of(torch.zeros(3, 2), torch.tensor([0, 0, 1]))
    found = select_predictions(torch.tensor([[0.0, 5.0], [0.0, 5.0], [0.0, 5.0]]), dataset)
    assert found["confusion"].tolist() == [[0, 2], [0, 1]]
    assert found["classes"].tolist() == ["a", "b"]


def test_the_worst_errors_come_first_with_small_images():
    count = 2 * NUM_WORST
    images = torch.arange(count, dtype=torch.uint8).view(count, 1, 1, 1).expand(count, 1, 100, 130)
    dataset = dataset_of(images, torch.zeros(count, dtype=torch.long))
    outputs = torch.stack([torch.zeros(count), torch.arange(count) - 10.0], dim=1)  # the first eleven are right
    found = select_predictions(outputs, dataset)
    assert found["worst"].tolist() == list(range(count - 1, count - 1 - NUM_WORST, -1))
    assert found["worst_images"].shape == (NUM_WORST, 1, 34, 44)
    assert found["worst_images"][:, 0, 0, 0].tolist() == found["worst"].tolist()
    assert found["sample_images"].shape == (NUM_SAMPLE, 1, 34, 44)
    assert found["sample_images"][:, 0, 0, 0].tolist() == found["sample"].tolist()


@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (3, [0, 1, 2]), (25, list(range(25))), (97, list(range(0, 97, 4)))])
def test_the_sample_lies_at_equal_distances_whatever_the_answer(count, expected):
    dataset = dataset_of(torch.zeros(count, 2), torch.zeros(count, dtype=torch.long))
    found = select_predictions(torch.zeros(count, 2), dataset)
    assert found["sample"].tolist() == expected
