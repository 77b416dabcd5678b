from functools import partial

import pytest

from dlexp.analysis import analyse
from tests.analysis.made import make_study
from tests.runs import edit_summary

RELU = {"claim": "relu", "plus": {"activation": "relu"}, "minus": {"activation": "sigmoid"}, "expected": "greater"}
ONE, MANY = " This is on one draw of the data.", " This is over 5 draws of the data."


def first_verdict(root, axes, *, edit=None, **more):
    folder = make_study(root, axes, predictions=[RELU], **more)
    for path in folder.glob("*-????????????") if edit else ():
        edit_summary(path, edit)
    return analyse(folder).verdicts[0]


def set_drawn(summary, *, drawn=True):
    summary["data_drawn"] = drawn


@pytest.mark.parametrize(
    ("axes", "more", "draws"),
    [
        ({}, {"edit": set_drawn}, 1),
        ({}, {}, None),  # an older run
        ({"dataset": ["mnist"], "val_fraction": [0.1]}, {}, 1),
        ({"dataset": ["mnist"], "val_fraction": [0]}, {}, None),
        ({"dataset": ["image_folder"], "val_fraction": [0.1]}, {"edit": partial(set_drawn, drawn=False)}, None),
        ({"dataset": ["mnist"], "val_fraction": [0]}, {"edit": set_drawn}, 1),
        ({}, {"status": lambda cell, seed: "missing"}, None),
        ({"data_seed": [1, 2]}, {"edit": set_drawn}, 2),
        ({}, {"edit": set_drawn, "data_seeds": range(5), "seeds": [0]}, 5),
        (
            {},
            {
                "edit": set_drawn,
                "data_seeds": range(5),
                "seeds": [0],
                "status": lambda _, of: "done" if of[0] == 3 else "missing",
            },
            1,
        ),
    ],
)
def test_a_verdict_says_on_how_many_draws_it_is(tmp_path, axes, more, draws):
    found = first_verdict(tmp_path, {"activation": ["relu", "sigmoid"], **axes}, **more)
    assert found.draws == draws
    assert found.reason.endswith(ONE) == (draws == 1)
    assert found.reason.endswith(MANY) == (draws == 5)
    assert found.reason.endswith(" This is on 2 draws of the data.") == (draws == 2)  # an axis: seeds are the unit
    assert ("draw" in found.reason) == (draws is not None)
