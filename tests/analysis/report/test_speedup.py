"""Speed-ups of a study of costs."""

import json

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.report.speedup import compute_speed_ups
from tests.analysis.made import make_study


@pytest.mark.parametrize(("reached", "num"), [(5, 1), (4, 0)])
def test_a_cell_of_which_a_run_did_not_reach_the_target_has_no_speed_up(tmp_path, reached, num):
    """The runs that did reach it are the fast ones."""
    folder = make_study(tmp_path, {"hardware": ["cpu", "cuda"]}, metric="target/seconds")
    for number, path in enumerate(sorted(folder.glob("hardware=cuda-*/summary.json"))):
        summary = json.loads(path.read_text())
        summary["metrics"]["target/seconds"] = 1.0 + number if number < reached else None
        path.write_text(json.dumps(summary))
    for path in folder.glob("hardware=cpu-*/summary.json"):
        summary = json.loads(path.read_text())
        summary["metrics"]["target/seconds"] = 10.0
        path.write_text(json.dumps(summary))
    assert len([item for item in compute_speed_ups(analyse(folder)) if item.n]) == num
