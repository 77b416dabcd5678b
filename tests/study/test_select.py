"""Which cells of a study a command selects, where axes go together or combinations are left out."""

from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp

import pytest
import yaml

from dlexp.errors import ConfigError
from dlexp.run.record.registrations import hash_study
from dlexp.study.definition import read_study
from dlexp.study.protocol import list_changes, list_runs
from dlexp.study.request import compose_runs, narrow

MADE = {
    "question": "q",
    "background": "b",
    "base": {"dataset": "moons", "model": "mlp", "hardware": "cpu"},
    "axes": {"depth": [1, 2, 3], "activation": ["relu", "tanh"], "width": "lin(8,24,3)"},
    "zip": ["width", "depth"],
    "exclude": [{"depth": 3, "activation": "tanh"}],
    "seeds": [0],
}


@pytest.fixture
def read(tmp_path):
    def read_changed(**changes):
        """The study, without the keys that are changed to None."""
        content = {key: value for key, value in (MADE | changes).items() if value is not None}
        folder = Path(mkdtemp(dir=tmp_path))  # a file is read once
        (folder / "made.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return read_study(str(folder / "made.yaml"))

    return read_changed


def spelled(cells):
    return [" ".join(map(str, cell.values())) for cell in cells]


def test_a_file_says_which_axes_go_together_and_what_is_left_out(read):
    assert spelled(read().all_cells()) == ["1 relu 8", "1 tanh 8", "2 relu 16", "2 tanh 16", "3 relu 24"]


def test_functions_list_values(read):
    study = read(axes={"optimizer.lr": "log(1e-4,1,5)", "depth": "range(1,4)"}, zip=None, exclude=[{"depth": 3}])
    assert study.axes == {"optimizer.lr": [0.0001, 0.001, 0.01, 0.1, 1], "depth": [1, 2, 3]}


@pytest.mark.parametrize(
    ("typed", "cells"),
    [
        ("depth=1", ["1 relu 8", "1 tanh 8"]),
        ("width=16,24", ["2 relu 16", "2 tanh 16", "3 relu 24"]),
        ("depth=1,2 width=16 activation=tanh", ["2 tanh 16"]),
        ("exclude=[{depth:1}] activation=relu", ["2 relu 16", "3 relu 24"]),
    ],
)
def test_a_command_selects_cells_and_the_report_stays_that_of_the_study(typed, cells, read):
    study = read()
    request = narrow(study, typed.split())
    assert spelled(request.cells) == cells
    assert list_changes(study, request) == []
    assert request.apply_to(study) == study


def test_axes_of_a_study_go_together_in_a_command(read):
    study = read(zip=None, exclude=None)
    request = narrow(study, ["zip=[depth,width]", "activation=relu"])
    assert spelled(request.cells) == ["1 relu 8", "2 relu 16", "3 relu 24"]
    assert request.apply_to(study) == study


def test_listed_cells_are_left_out_too():
    request = narrow(read_study("loss"), ["exclude=[{loss:mse}]"])
    assert request.cells
    assert all(cell["loss"] != "mse" for cell in request.cells)


CHANGED = {
    "depth=4 width=32": (["depth=4", "width=32"], ["4 relu 32", "4 tanh 32"]),
    "depth=4,5 width=32,40 exclude=[{activation:tanh}]": (
        ["depth=4,5", "width=32,40", "exclude=[{activation:tanh}]"],
        ["4 relu 32", "5 relu 40"],
    ),
}


@pytest.mark.parametrize(("typed", "expected"), CHANGED.items())
def test_other_values_make_another_study(typed, expected, read):
    study = read()
    request = narrow(study, typed.split())
    assert (list_changes(study, request), spelled(request.cells)) == expected
    assert spelled(request.apply_to(study).all_cells()) == expected[1]
    assert len(list_runs(study, request).runs) == len(expected[1])


REFUSED = {
    "depth=4": "made: width and depth go together: give each equally many values, .* width has none, depth has 1",
    "depth=4,5 width=32": "width has 1, depth has 2",
    "depth=1 width=24": "no cell has depth=1 width=24",
    "zip=[depth,activation]": "zip=.depth,activation.: depth has 3 values, activation has 2 values",
    "depth=1,2 zip=[depth,activation]": "depth goes together with another axis already",
    "zip=[activation,seed]": "seed is no axis here. The axes are depth, activation, width",
    "exclude=[{depth:9}]": "exclude: {depth: 9}: leaves out nothing: no cell of this command has these values",
    "exclude=[{dept:1}]": "dept is no axis of made. Its axes: depth, activation, width. Did you mean depth?",
    "depth=1 exclude=[{width:8}]": "exclude: leaves none of the 2 cells",
    "zip=depth": "zip=depth: must be a list",
    "skip=all": "skip=all: must be without_effect",
}


@pytest.mark.parametrize(("typed", "message"), REFUSED.items())
def test_what_does_not_fit_the_axes_is_refused(typed, message, read):
    with pytest.raises(ConfigError, match=message):
        narrow(read(), typed.split())


def test_the_words_are_part_of_the_hash(read):
    versions = [read(), read(zip=None), read(exclude=None), read(exclude=[{"depth": 3}]), read(skip="without_effect")]
    assert len({hash_study(asdict(study), []) for study in versions}) == 5
    typed = read(axes={"depth": [1, 2, 3], "activation": ["relu", "tanh"], "width": [8, 16, 24]})
    assert hash_study(asdict(typed), []) == hash_study(asdict(versions[0]), [])


def test_a_run_is_named_by_what_varies(read):
    study = read()
    (first, *_) = compose_runs(study, narrow(study, ["depth=1"]))
    assert first.swept == {"depth", "activation", "width", "seed"}
