import json

import pytest

from dlexp.benchmark.comparisons import COMPARISONS
from tests import ROOT
from tests.processes import Command


def benchmark(*arguments, cwd):
    """Exit code, standard output and standard error."""
    process = Command(str(ROOT / "scripts" / "benchmark.py"), *arguments, cwd=cwd)
    out, err = process.communicate()
    return process.returncode, out, err


def test_list_names_every_comparison_and_measures_nothing(tmp_path):
    code, out, err = benchmark("--list", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == [one.name for one in COMPARISONS]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "lop"], "--only: no comparison lop. There are: loop, lightning,"),
        (["--rounds", "0"], "must be at least 1"),
        (["--airbench", "nowhere.py"], "nowhere.py is no file"),
        (["--show", "nowhere.json"], "nowhere.json is not what this command writes"),
    ],
)
def test_a_wrong_command_is_refused(arguments, message, tmp_path):
    code, out, err = benchmark(*arguments, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert message in err


def test_a_file_of_another_kind_is_not_shown(tmp_path):
    (tmp_path / "summary.json").write_text('{"status": "done"}')
    code, out, err = benchmark("--show", "summary.json", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert "summary.json is not what this command writes" in err


def test_a_comparison_from_the_command_to_the_file_and_back(tmp_path):
    code, out, err = benchmark("--only", "loop", "--rounds", "2", "--block", "3", "--markdown", cwd=tmp_path)
    assert code == 0, err
    (path,) = (tmp_path / "outputs" / "benchmark").iterdir()
    document = json.loads(path.read_text())
    ratios = [row for row in document["rows"] if row["figure"] == "ours / other"]
    assert [row["case"] for row in ratios] == ["mlp, batch 32", "convnet, batch 2", "convnet, batch 32", "convnet, batch 128"]
    assert all(len(taken) == 2 for row in ratios for taken in row["samples"].values())
    assert benchmark("--show", str(path), "--markdown", cwd=tmp_path)[1] == out
