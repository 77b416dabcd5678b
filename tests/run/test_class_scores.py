"""The scores of a classification against scikit-learn, and calibration against its formula."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from dlexp.run.class_scores import Answers, measure_classes, measure_score, measure_scores
from dlexp.run.record.scores import OF_ALL, OF_CLASS


def draw(num_classes, count=200, seed=0):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % num_classes
    outputs = 2 * torch.randn(count, num_classes, generator=generator)
    outputs[range(count), targets] += 1.5
    outputs[:, 0] -= 50 * (num_classes == 4)  # a class that is never predicted
    return outputs, targets


@pytest.fixture(params=[2, 3, 4, 10])
def drawn(request):
    return draw(request.param)


def test_the_scores_of_all_classes_are_those_of_scikit_learn(drawn):
    outputs, targets = drawn
    y, p = targets.numpy(), outputs.argmax(1).numpy()
    q = outputs.double().softmax(1).numpy()
    expected = {"balanced_acc": metrics.balanced_accuracy_score(y, p)}
    for average in ("macro", "weighted"):
        precision, _, f1, _ = metrics.precision_recall_fscore_support(y, p, average=average, zero_division=0)
        expected |= {f"{average}_precision": precision, f"{average}_f1": f1}
    binary = q.shape[1] == 2
    expected["roc_auc"] = metrics.roc_auc_score(y, q[:, 1] if binary else q, multi_class="ovr")
    found = measure_scores(Answers(outputs, targets))
    assert list(found) == list(OF_ALL)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_the_scores_of_each_class_are_those_of_scikit_learn(drawn):
    outputs, targets = drawn
    names = [f"class {number}" for number in range(outputs.shape[1])]
    answers = Answers(outputs, targets)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        targets.numpy(), outputs.argmax(1).numpy(), zero_division=0
    )
    found = measure_classes(answers, names)
    assert found.keys() == {*OF_CLASS}
    for kind, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert list(found[kind].values()) == pytest.approx(list(expected))
        assert measure_score(f"{kind}/{names[-1]}", answers, names) == pytest.approx(expected[-1])
    assert measure_score("macro_f1", answers, names) == pytest.approx(f1.mean())


def test_the_calibration_error_is_that_of_its_formula():
    outputs, targets = draw(3)
    confidence, predicted = outputs.double().softmax(1).max(1)
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        if inside.any():
            accuracy = (predicted == targets)[inside].double().mean()
            expected += float(inside.double().mean() * abs(accuracy - confidence[inside].mean()))
    assert measure_score("ece", Answers(outputs, targets), "abc") == pytest.approx(expected)


@pytest.mark.parametrize(("right", "expected"), [(1.0, 0.0), (0.5, 0.5)])
def test_sure_answers_are_calibrated_as_far_as_they_are_right(right, expected):
    targets = torch.tensor([0, 1] * 10)
    given = targets.clone()
    given[: round(20 * (1 - right))] = 1 - given[: round(20 * (1 - right))]
    outputs = 100.0 * torch.nn.functional.one_hot(given, 2)
    assert measure_score("ece", Answers(outputs, targets), "ab") == pytest.approx(expected)


def test_a_class_without_examples_counts_nowhere_in_a_mean():
    outputs, targets = draw(3)
    some = targets < 2
    found = measure_score("balanced_acc", Answers(outputs[some], targets[some]), "abc")
    assert found == pytest.approx(metrics.recall_score(targets[some], outputs[some].argmax(1), labels=[0, 1], average="macro"))
