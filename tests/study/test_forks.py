import json
import os
import subprocess
import sys

import pytest

from dlexp.config.compose import compose
from dlexp.study import forks
from tests import ROOT
from tests.parallel_sweeps import SAVING, list_runs

INTRUDERS = ("numbers.py", "multiprocessing.py", "struct.py", "torch.py", "dlexp.py")


@pytest.mark.parametrize(
    ("overrides", "has_gpu", "starts"),
    [
        (("jobs=2", "hardware=cpu"), True, True),
        (("jobs=auto",), False, True),
        (("jobs=2",), True, False),  # workers that use a GPU are not forked
        ((), False, False),
    ],
)
def test_the_process_from_which_workers_are_forked_is_started_ahead(overrides, has_gpu, starts, monkeypatch, tmp_path):
    started = []
    driver = tmp_path / "driver"
    if has_gpu:
        driver.touch()
    monkeypatch.setattr(forks, "GPU_DRIVER", driver)
    monkeypatch.setattr(forks, "_preload", started.append)
    forks.load_ahead([compose(["dataset=moons", "model=mlp", *overrides])])
    assert len(started) == starts
    assert not starts or {"dlexp.parts.dataset.moons", "dlexp.parts.model.mlp"} <= set(started[0])


def test_the_environment_is_afterwards_as_it_was(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "given")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    before = dict(os.environ)
    with forks.importing_safely():
        assert os.environ["PYTHONSAFEPATH"] == "1"
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "given"]
    assert dict(os.environ) == before


@pytest.mark.slow(seconds=40)
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_the_command_as_it_is_typed_imports_nothing_from_the_current_folder(start_method, tmp_path):
    for name in INTRUDERS:
        (tmp_path / name).write_text("raise SystemExit('imported from the current folder')\n")
    (tmp_path / "command.py").write_text(
        "import sys\n"
        "from dlexp.study import sweep\n"
        "from dlexp.commands.train import main\n"
        # Workers that use a GPU are spawned, and each is given one.
        f"sweep.list_gpus = {'sweep.list_gpus' if start_method == 'forkserver' else 'lambda runs: [str(7), str(8)]'}\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-P", "command.py", "-m", *SAVING, "seed=0,1", "jobs=2"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 runs: 2 done" in done.stdout
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in list_runs(tmp_path / "outputs").values()]
    assert [summary["jobs"] for summary in summaries] == [2, 2]
    assert "leaked" not in done.stderr
