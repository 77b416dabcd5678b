"""Predict with a trained model, computed as the run evaluated its own test split."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from dlexp.contract import Split
from dlexp.data.batches import EVALUATION_BATCH, InputScaling
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.machine.device import configure_torch, find_device, restoring_torch
from dlexp.machine.precision import Precision
from dlexp.run.setup.factories import make_factory
from dlexp.run.setup.facts import check_fused_lstm
from dlexp.run.setup.lab_modules import users_errors
from dlexp.trained.inputs import InputReader, Name, Skip
from dlexp.trained.load import Trained
from dlexp.training.evaluation import compute_outputs


def predict(
    trained: Trained, inputs: object, *, top: int = 1, device: str | torch.device = "cpu", skip: Skip | None = None
) -> pd.DataFrame:
    """Predict the class of each input, or the number that belongs to it.

    The outputs are those of the run's test: the same scaling, number format, threads and batches, and with `test_flip` the mean
    over an image and its mirror image. torch's global state is as before afterwards.

    Args:
        trained: The run.
        inputs: A file or folder, an image, an array, a tensor, a table, or a list of files, folders, images and arrays: see
            `InputReader.read_batches`.
        top: Number of classes for each input, the most probable first.
        device: `cpu`, `cuda`, `auto`, or a device of torch.
        skip: Called with the problem of each file that cannot be read, which is then left out. None: it is raised.

    Returns:
        A row for each input, and with `top` above 1 for each of its classes: `input` (the file, or the row from 0), `rank`
        (from 1, only with `top` above 1), `class`, `probability` (in [0, 1]: the softmax of the outputs, whatever the loss).
        For a regression `input`, `prediction`; with several outputs `prediction_0`, `prediction_1` and so on.

    Raises:
        ConfigError: If the inputs are not of the kind, shape or range that the run takes, or if there are fewer classes.
        DatasetError: If a file cannot be read, or a value is missing, and `skip` is None.
        CheckpointError: If the weights are missing or damaged.
        UnsupportedError: If the device is missing, or lacks the number format of the run.
    """
    classes = trained.preprocessing.classes
    most = len(classes) or 1
    if not 1 <= top <= most:
        what = f"the number of classes of the run, {most}" if classes else "1, as the run predicts numbers"
        raise ConfigError(f"top: expected a number from 1 to {what}; got {top}.")
    names: list[Name] = []
    outputs = [torch.empty(0, trained.preprocessing.num_outputs)]
    for batch_names, batch in _predict_batches(trained, inputs, device, skip):
        names += batch_names
        outputs.append(batch.cpu())
    every = torch.cat(outputs)
    return _rank_classes(names, every, classes, top) if classes else _list_numbers(names, every)


def predict_test(trained: Trained, device: str | torch.device = "cpu") -> tuple[Tensor, Split]:
    """Compute the outputs for the test split of a run, float32 [N, K] on the CPU, as the run did.

    Returns:
        The outputs, and the split.

    Raises:
        ConfigError, DatasetError, CheckpointError, UnsupportedError: As `predict` and `Trained.dataset` do.
    """
    test = trained.dataset().test
    with _computing_outputs(trained, device) as (compute, place):
        outputs = [compute(batch).cpu() for batch in test.inputs.split(EVALUATION_BATCH[place.type])]
    return torch.cat(outputs), test


def _predict_batches(
    trained: Trained, inputs: object, device: str | torch.device, skip: Skip | None
) -> Iterator[tuple[list[Name], Tensor]]:
    with _computing_outputs(trained, device) as (compute, place):
        keys = trained.config["dataset"]
        reader = InputReader(
            trained.preprocessing, skip=skip, array_name=keys.get("inputs"), decimal=keys.get("decimal", "point")
        )
        for names, raw in reader.read_batches(inputs, EVALUATION_BATCH[place.type]):
            yield names, compute(raw)


@contextmanager
def _computing_outputs(
    trained: Trained, device: str | torch.device
) -> Iterator[tuple[Callable[[Tensor], Tensor], torch.device]]:
    """Within this context torch is set as in the run, and a function computes the outputs for raw inputs, on the device."""
    place = device if isinstance(device, torch.device) else find_device(device)
    hardware, test_flip = trained.hardware, trained.config["test_flip"]
    if problems := check_fused_lstm(trained.config, place):
        raise UnsupportedError(*problems)
    with restoring_torch():
        precision = _make_precision(trained.config, place)
        configure_torch(
            place,
            num_threads=hardware["num_threads"],
            determinism=hardware["determinism"],
            tf32=precision.format == "tf32",
        )
        model = trained.model(place)
        scale = InputScaling(trained.preprocessing, place, trained.memory_format)

        def compute(raw: Tensor) -> Tensor:
            with users_errors(), torch.no_grad():
                return compute_outputs(model, precision, scale(raw.to(place)), mirror=test_flip)

        yield compute, place


def _make_precision(config: dict[str, Any], device: torch.device) -> Precision:
    """The number format of the run. TF32 exists on GPUs alone, where it rounds float32: elsewhere it is float32."""
    if config["precision"]["format"] == "tf32" and device.type == "cpu":
        return Precision(device, format="fp32")
    return make_factory(config, "precision")(device)


def _rank_classes(names: list[Name], outputs: Tensor, classes: tuple[str, ...], top: int) -> pd.DataFrame:
    # By the outputs, as two different ones can have the same probability. The first of equal outputs comes first, as in argmax.
    labels = outputs.argsort(dim=1, descending=True, stable=True)[:, :top] if top > 1 else outputs.argmax(1, keepdim=True)
    probabilities = outputs.softmax(1).gather(1, labels)
    ranks = {"rank": list(range(1, top + 1)) * len(names)} if top > 1 else {}
    return pd.DataFrame(
        {
            "input": [name for name in names for _ in range(top)],
            **ranks,
            "class": [classes[label] for label in labels.flatten().tolist()],
            "probability": probabilities.flatten().numpy(),
        }
    )


def _list_numbers(names: list[Name], outputs: Tensor) -> pd.DataFrame:
    columns = [f"prediction_{index}" for index in range(outputs.shape[1])] if outputs.shape[1] > 1 else ["prediction"]
    return pd.DataFrame({"input": names} | {name: outputs[:, index].numpy() for index, name in enumerate(columns)})
