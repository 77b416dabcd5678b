import json

import pytest
import torch

from dlexp.config import plain_json
from dlexp.contract import Column, Dataset, Split, Table
from dlexp.data.preprocessing import describe_preprocessing, from_content, to_json
from dlexp.run.record.forms import PreprocessingFile

TABLE = Table((Column("age", None), Column("colour", ("blue", "red"))), one_hot=True, label="bought")


def make(inputs, *, classes=("no", "yes"), table=None, fill=None):
    split = Split(inputs, torch.tensor([0, 1, 1]))
    shape = (inputs.shape[1], 1, 1) if inputs.dim() == 4 else inputs.shape[-1:]
    shift, factor = torch.rand(shape, generator=torch.Generator().manual_seed(0)), torch.full(shape, 1 / 3)
    return Dataset(split, None, split, classes, shift, factor, table, fill)


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        (make(torch.arange(48, dtype=torch.uint8).view(3, 1, 4, 4)), "images"),
        (make(torch.rand(3, 5, 2)), "series"),
        (make(torch.rand(3, 3), table=TABLE, fill=torch.tensor([0.1, 0.0, 1.0])), "features"),
    ],
)
def test_json_gives_back_every_bit(dataset, kind):
    described = describe_preprocessing(dataset)
    read = from_content(plain_json.parse(to_json(described), PreprocessingFile))
    assert read.kind == kind
    assert torch.equal(read.shift, dataset.shift)
    assert torch.equal(read.factor, dataset.factor)
    assert to_json(read) == to_json(described)
    assert (read.table, read.classes, read.num_outputs) == (dataset.table, dataset.classes, 2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "images"),
        ("input_shape", [0]),
        ("input_shape", [1, 1, 1, 1, 1]),
        ("classes", ["one"]),
        ("num_outputs", 0),
        ("shift", [1.0, 2.0]),
        ("factor", "x"),
        ("fill", [1.0]),
        ("table", {"columns": 3}),
    ],
)
def test_other_content_is_refused(key, value):
    content = json.loads(to_json(describe_preprocessing(make(torch.rand(3, 3)))))
    with pytest.raises(ValueError, match=r"."):
        from_content(plain_json.parse(json.dumps(content | {key: value}), PreprocessingFile))
