from pathlib import Path

import numpy as np
import pytest

from dlexp.api.overrides import write_overrides
from dlexp.config.overrides import expand, parse
from dlexp.errors import ConfigError

TEXTS = [
    "a b",
    "a=b",
    'q"x',
    'q\\"x',
    "end\\",
    "\\\\",
    "\\",
    'two\\\\"',
    "a,b",
    "$x",
    "it's",
    "{a}",
    "[1]",
    "#",
    "a: b",
    "é",
    "",
    " ",
]
TEXTS += ["true", "Null", "1e3", "08", "1_000", "nan", "range(3)", "~/x", "./a-b.c", "x\ny"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_path_and_a_text_in_a_list_are_read_as_they_are(text):
    (override,) = write_overrides([], {"data_dir": [text]})
    assert parse(override).values == [[text]]
    (override,) = write_overrides([], {"data_dir": Path(text)})
    assert parse(override).values == [str(Path(text))]
    (override,) = write_overrides([], {"data_dir": [text, "other"]}, sweeps=True)
    assert [parse(cell[0]).value for cell in expand([override])] == [text, "other"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (np.bool_(False), "false"),
        (8, "8"),
        (np.int64(8), "8"),
        (1e-05, "1e-05"),
        (np.float64(0.1), "0.1"),
        (np.array(0.5), "0.5"),
        ("bn", "bn"),
        ([256, 128], "[256,128]"),
        ((1,), "[1]"),
        ({"mean": [0.5], "std": [0.25]}, "{mean:[0.5],std:[0.25]}"),
    ],
)
def test_a_value_is_written_as_it_would_be_typed(value, written):
    (override,) = write_overrides([], {"key": value})
    assert override == f"key={written}"
    parse(override)


def test_a_list_holds_the_values_of_a_sweep():
    settings = {
        "seed": range(3),
        "norm": ["bn", None],
        "model.widths": [[8], [16, 8]],
        "lr": np.array([0.1, 0.2]),
        "depth": "1,2",
    }
    assert write_overrides(["width=8"], settings, sweeps=True) == [
        "width=8",
        "seed=0,1,2",
        "norm=bn,null",
        "model.widths=[8],[16,8]",
        "lr=0.1,0.2",
        "depth=1,2",
    ]


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ([8], {}, "8: expected a text such as depth=8, got an object of type int"),
        ([], {"activation": print}, "activation: expected a text, a number"),
        ([], {"widths": [object()]}, "got an object of type object"),
        ([], {"data_dir": b"x"}, "got an object of type bytes"),
        ([], {"seed": []}, "seed: expected at least one value, got none"),
    ],
)
def test_other_values_are_refused(arguments, settings, message):
    with pytest.raises(ConfigError, match=message):
        write_overrides(arguments, settings, sweeps=True)


def test_axes_that_go_together_and_exclusions_are_lists_in_a_sweep_too():
    settings = {"depth": [1, 2], "zip": ["depth", "optimizer.lr"], "exclude": [{"norm": "bn", "l1": 1e-05}]}
    assert write_overrides([], settings, sweeps=True) == [
        "depth=1,2",
        "zip=[depth,optimizer.lr]",
        "exclude=[{norm:bn,l1:1e-05}]",
    ]
