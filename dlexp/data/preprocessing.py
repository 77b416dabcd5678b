"""What a trained model needs to know to get new inputs as it got those of its run: sizes, scale, classes, columns."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from dlexp.contract import Column, Dataset, Table, Task

Kind = Literal["images", "features", "series"]
KINDS: dict[int, Kind] = {3: "images", 2: "series", 1: "features"}  # number of dimensions of one example → kind


@dataclass(frozen=True)
class Preprocessing:
    """How raw inputs became those of the model: `(inputs - shift) * factor`, as float32, after NaN was replaced by `fill`.

    Args:
        kind: `images` (uint8 [N, C, H, W]), `features` (float32 [N, F]) or `series` (float32 [N, T, F]).
        input_shape: Shape of one example: (C, H, W), (F,) or (T, F).
        num_outputs: Number of classes, or of numbers to predict: K.
        classes: Name of each class, in the order of the outputs; empty for a regression.
        shift, factor: As in `contract.Dataset`.
        highest: The highest value of the raw training inputs, such as 255, or 16 in Digits.
        table, fill: As in `contract.Dataset`.
    """

    kind: Kind
    input_shape: tuple[int, ...]
    num_outputs: int
    classes: tuple[str, ...]
    shift: Tensor
    factor: Tensor
    highest: float
    table: Table | None = None
    fill: Tensor | None = None

    @property
    def task(self) -> Task:
        """Whether outputs are classes or numbers."""
        return "classification" if self.classes else "regression"


def describe_preprocessing(dataset: Dataset) -> Preprocessing:
    """How the data of a run were preprocessed."""
    return Preprocessing(
        kind=KINDS[len(dataset.input_shape)],
        input_shape=dataset.input_shape,
        num_outputs=dataset.num_outputs,
        classes=dataset.classes,
        shift=dataset.shift,
        factor=dataset.factor,
        highest=float(dataset.train.inputs.max()),
        table=dataset.table,
        fill=dataset.fill,
    )


def name_inputs(table: Table) -> list[str]:
    """The name of each feature of a table: that of its column, and `column=category` if there is one for each category."""
    names: list[str] = []
    for column in table.columns:
        several = column.categories if table.one_hot else None
        names += [column.name] if several is None else [f"{column.name}={category}" for category in several]
    return names


def to_json(preprocessing: Preprocessing) -> str:
    """Write it as JSON with all digits of each float32."""
    table = preprocessing.table
    content = {
        "kind": preprocessing.kind,
        "input_shape": preprocessing.input_shape,
        "num_outputs": preprocessing.num_outputs,
        "classes": preprocessing.classes,
        "shift": preprocessing.shift.tolist(),
        "factor": preprocessing.factor.tolist(),
        "highest": preprocessing.highest,
        "table": table and {**table._asdict(), "columns": [column._asdict() for column in table.columns]},
        "fill": None if preprocessing.fill is None else preprocessing.fill.tolist(),
    }
    return "{\n" + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()) + "\n}\n"


def from_content(content: Mapping[str, Any]) -> Preprocessing:
    """Read what `to_json` wrote, parsed and of the form `dlexp.run.record.forms.PreprocessingFile`.

    Raises:
        ValueError: If its values do not fit together.
    """
    try:
        return _read(content)
    except (TypeError, ValueError, RuntimeError) as error:  # the first and the last are torch's: lists of unequal lengths
        raise ValueError(f"it is not that of a run: {error}") from error


def _read(content: Mapping[str, Any]) -> Preprocessing:
    shape = tuple(content["input_shape"])
    kind = KINDS.get(len(shape))
    if kind is None or content["kind"] != kind:
        raise ValueError(f"kind {content['kind']} has no inputs of shape {list(shape)}")
    classes, num_outputs = tuple(content["classes"]), content["num_outputs"]
    if classes and len(classes) != num_outputs:
        raise ValueError(f"{len(classes)} classes do not belong to {num_outputs} outputs")
    shift, factor = (torch.tensor(content[name], dtype=torch.float32) for name in ("shift", "factor"))
    if torch.broadcast_shapes(shift.shape, factor.shape, shape) != torch.Size(shape):
        raise ValueError(f"the scale does not belong to inputs of shape {list(shape)}")
    fill = None if content["fill"] is None else torch.tensor(content["fill"], dtype=torch.float32)
    if fill is not None and fill.shape != shape:
        raise ValueError(f"the fill does not belong to inputs of shape {list(shape)}")
    table = None if content["table"] is None else _read_table(content["table"])
    return Preprocessing(kind, shape, num_outputs, classes, shift, factor, float(content["highest"]), table, fill)


def _read_table(content: Mapping[str, Any]) -> Table:
    columns = tuple(
        Column(column["name"], None if column["categories"] is None else tuple(column["categories"]))
        for column in content["columns"]
    )
    shape = content["image_shape"]
    return Table(columns, content["one_hot"], content["label"], None if shape is None else tuple(shape))
