"""Select the predictions on the test split that are saved."""

import numpy as np
import torch
from torch import Tensor

from dlexp.contract import Dataset

NUM_WORST = 25  # errors that are saved with their images
NUM_SAMPLE = 25  # examples that are saved with their images whatever the answer
MAX_SIDE = 64  # pixels; of larger images every n-th pixel is saved


def select_predictions(outputs: Tensor, dataset: Dataset) -> dict[str, np.ndarray]:
    """Build the arrays of arrays/predictions.npz.

    Args:
        outputs: Outputs for all test examples, in their order, float32 [N, K].
        dataset: The dataset of the test split.

    Returns:
        For a regression `target` and `predicted`, float32 [N, K].
        For a classification, in the order of the test split: `target` and `predicted`, in the smallest integer type [N];
        `p_target` and `p_predicted`, softmax of the outputs whatever the loss, float16 [N]; `classes`, their names [K];
        `confusion`, counts, int32 [target, predicted]; `worst`, indices of the wrong predictions with the lowest `p_target`,
        the worst first; for images `worst_images`, uint8 [at most 25, C, H, W].
        For both `sample`, indices of at most 25 examples at equal distances in the test split; for images `sample_images`.
    """
    outputs, targets = outputs.cpu(), dataset.test.targets
    sample = torch.linspace(0, len(targets) - 1, min(NUM_SAMPLE, len(targets))).round().long()
    arrays = {"sample": sample.int().numpy()}
    if len(dataset.input_shape) == 3:
        arrays["sample_images"] = _read_images(dataset, sample)
    if dataset.task == "regression":
        return {"target": targets.numpy(), "predicted": outputs.numpy(), **arrays}
    num_classes = len(dataset.classes)
    probabilities, predicted = outputs.softmax(1), outputs.argmax(1)
    p_target, p_predicted = (probabilities.gather(1, label[:, None])[:, 0] for label in (targets, predicted))
    wrong = (predicted != targets).nonzero()[:, 0]
    worst = wrong[p_target[wrong].argsort(stable=True)[:NUM_WORST]]
    smallest = np.min_scalar_type(num_classes - 1)
    arrays |= {
        "target": targets.numpy().astype(smallest),
        "predicted": predicted.numpy().astype(smallest),
        "p_target": p_target.numpy().astype(np.float16),
        "p_predicted": p_predicted.numpy().astype(np.float16),
        "classes": np.array(dataset.classes),
        "confusion": _count_confusion(targets, predicted, num_classes),
        "worst": worst.int().numpy(),
    }
    if len(dataset.input_shape) == 3:
        arrays["worst_images"] = _read_images(dataset, worst)
    return arrays


def _read_images(dataset: Dataset, places: Tensor) -> np.ndarray:
    """Test images, of large ones every n-th pixel."""
    step = -(-max(dataset.input_shape[1:]) // MAX_SIDE)
    return dataset.test.inputs[places, :, ::step, ::step].numpy()


def _count_confusion(targets: Tensor, predicted: Tensor, num_classes: int) -> np.ndarray:
    counts = torch.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return counts.view(num_classes, num_classes).int().numpy()
