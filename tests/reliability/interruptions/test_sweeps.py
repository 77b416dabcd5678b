"""R32: the driver of a sweep may be killed at any time; the same command does what is missing, and touches nothing else."""

import json
import os
import subprocess
import sys

import pytest

from dlexp.analysis import load_runs
from tests import ROOT
from tests.reliability.harness import content
from tests.runs import MOONS, prepare, run


@pytest.mark.parametrize("damage", ["", '{"status": "do', "[1]", "{}", "\0" * 99, "[" * 100_000])
@pytest.mark.parametrize("saving", ["checkpoint_every=0", "checkpoint_every=600"])
def test_a_damaged_summary_is_written_again_with_the_same_numbers(damage, saving, tmp_path):
    before = run(*MOONS, saving, root=tmp_path)
    planned = prepare(*MOONS, saving, root=tmp_path)
    (planned.folder / "summary.json").write_text(damage)
    assert planned.must_run()
    after = run(*MOONS, saving, root=tmp_path)
    assert after == before
    assert json.loads((planned.folder / "summary.json").read_text())["status"] == "done"


@pytest.mark.slow(seconds=60)
def test_a_driver_that_is_killed_leaves_its_runs_to_the_next(tmp_path, record_property):
    command = [sys.executable, "-m", "tests.reliability.drivers", str(tmp_path), "5", "20"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    record_property("R32", [outcome["starts"], len(outcome["touched"]) + 18 - outcome["finished"]])
    assert outcome["starts"] >= 15
    assert outcome | {"starts": 0} == {"starts": 0, "touched": [], "finished": 18}
    whole, killed = (
        {path.parent.name: content(path.parent) for path in (tmp_path / name / "adhoc").glob("*/summary.json")}
        for name in ("whole", "killed")
    )
    for name, files in whole.items():
        assert {file: killed[name][file] for file in files if not file.startswith("checkpoints/step")} == {
            file: digest for file, digest in files.items() if not file.startswith("checkpoints/step")
        }
    tables = [load_runs(tmp_path / name).set_index("id")["test/acc"].sort_index() for name in ("whole", "killed")]
    assert tables[0].equals(tables[1])
    (manifest,) = (tmp_path / "killed" / "adhoc" / "sweeps").glob("*/*.json")
    assert len(json.loads(manifest.read_text())["runs"]) == 18
    assert not list((tmp_path / "killed").rglob("*.tmp"))
