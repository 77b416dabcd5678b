"""R40: the same seed gives the same run wherever and however it is started, another seed another one."""

import json
import os
import subprocess
import sys

import pytest

from tests import ROOT

SURROUNDINGS = {
    "here": {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"},
    "there 다른 곳": {"PYTHONHASHSEED": "2", "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Apia", "LANG": "ko_KR.UTF-8"},
}


def trained(folder, seed, number, surroundings):
    """Digests of what a process that works in this folder leaves there."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.reliability.repeats", "left", str(seed), str(number)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **surroundings}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow(seconds=120)
def test_a_seed_says_what_a_run_leaves(tmp_path, record_property):
    one, other = (trained(tmp_path / name, 0, 20, around) for name, around in SURROUNDINGS.items())
    another = trained(tmp_path / "seed", 1, 20, {})
    wrong = [config for config in one if one[config] != other[config] or one[config] == another[config]]
    record_property("R40", [3 * len(one), len(wrong)])
    assert len(one) == 20
    assert wrong == []
