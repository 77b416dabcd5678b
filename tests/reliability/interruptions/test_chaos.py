"""R44: a minute of random faults; for longer: python -m tests.reliability.chaos FOLDER --minutes 20."""

import json
import subprocess
import sys

import pytest

from tests import ROOT


@pytest.mark.slow(seconds=150)
def test_a_minute_of_chaos_changes_nothing(tmp_path, record_property):
    command = [sys.executable, "-m", "tests.reliability.chaos", str(tmp_path / "chaos"), "--minutes", "1", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    counts = json.loads(done.stdout.splitlines()[-1])
    record_property("R44", [counts["faults"]["total"], len(counts["violations"])])
    assert (counts["violations"], done.returncode) == ([], 0)
    assert counts["comparisons"] >= 1
