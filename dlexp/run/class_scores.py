"""Scores of a classification beside its accuracy, computed from its outputs for a whole split.

Recall, precision and F1 are those of scikit-learn with `zero_division=0`: a class that is never predicted has the precision 0.
`balanced_acc` is the mean recall of the classes; `macro_` scores are the means of the classes, and `weighted_` ones those
weighted by the number of their examples. `roc_auc` is the area under the ROC curve: of two classes that of the second, of more
the mean over each class against the rest. `ece` is the expected calibration error: the mean distance of accuracy and confidence
in 15 bins of equal width, weighted by their examples (Guo et al. 2017, arXiv:1706.04599). Probabilities are the softmax of the
outputs, whatever the loss.
"""

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from dlexp.run.record.scores import OF_ALL, OF_CLASS
from dlexp.training.learner import Numbers

NUM_BINS = 15


class Answers:
    """The answers to all examples of a split.

    Args:
        outputs: Float32 [N, K], finite.
        targets: Labels, int64 [N].
    """

    def __init__(self, outputs: Tensor, targets: Tensor) -> None:
        outputs, targets = outputs.cpu(), targets.cpu()
        num_classes = outputs.shape[1]
        self.probabilities = outputs.double().softmax(1).numpy()
        self.targets, self.predicted = targets.numpy(), outputs.argmax(1).numpy()
        confusion = np.bincount(self.targets * num_classes + self.predicted, minlength=num_classes**2)
        self.confusion = confusion.reshape(num_classes, num_classes)
        hits = self.confusion.diagonal()
        self.num_examples, num_predicted = self.confusion.sum(1), self.confusion.sum(0)
        self.of_classes = {
            "recall": _divide(hits, self.num_examples),
            "precision": _divide(hits, num_predicted),
            "f1": _divide(2 * hits, self.num_examples + num_predicted),
        }

    def average(self, score: str, *, weighted: bool = False) -> float:
        """The mean of a score over the classes that have examples."""
        there = self.num_examples > 0
        weights = self.num_examples if weighted else there
        return float(np.average(self.of_classes[score][there], weights=weights[there]))


def _divide(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    return np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)


def _measure_roc_auc(answers: Answers) -> float:
    from sklearn.metrics import roc_auc_score  # takes a second to load, if data or split have not done so

    labels = np.arange(len(answers.num_examples))
    scores = answers.probabilities[:, 1] if len(labels) == 2 else answers.probabilities
    return float(roc_auc_score(answers.targets, scores, multi_class="ovr", labels=labels))


def _measure_calibration(answers: Answers) -> float:
    confidence = answers.probabilities.max(1)
    bins = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    correct = (answers.predicted == answers.targets).astype(float)
    differences = np.bincount(bins, correct - confidence, minlength=NUM_BINS)
    return float(np.abs(differences).sum() / len(confidence))


MEASURES: dict[str, Callable[[Answers], float]] = {
    "balanced_acc": lambda answers: answers.average("recall"),
    "macro_precision": lambda answers: answers.average("precision"),
    "macro_f1": lambda answers: answers.average("f1"),
    "weighted_precision": lambda answers: answers.average("precision", weighted=True),
    "weighted_f1": lambda answers: answers.average("f1", weighted=True),
    "roc_auc": _measure_roc_auc,
    "ece": _measure_calibration,
}


def measure_scores(answers: Answers) -> Numbers:
    """All scores of `OF_ALL`."""
    return {name: MEASURES[name](answers) for name in OF_ALL}


def measure_classes(answers: Answers, classes: Sequence[str]) -> dict[str, Numbers]:
    """All scores of `OF_CLASS`: score → class → value."""
    return {name: dict(zip(classes, answers.of_classes[name].tolist(), strict=True)) for name in OF_CLASS}


def measure_score(score: str, answers: Answers, classes: Sequence[str]) -> float:
    """One score by its name: of `OF_ALL`, or of `OF_CLASS` with a class, as `recall/ship`."""
    if score in MEASURES:
        return MEASURES[score](answers)
    kind, _, of = score.partition("/")
    return float(answers.of_classes[kind][list(classes).index(of)])
