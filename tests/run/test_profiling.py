import gzip
import json

import pytest
import torch

from dlexp.run import profiling
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from tests.runs import MOONS, prepare, run


@pytest.mark.parametrize("max_steps", ["1", "3", "40"])
def test_the_trace_holds_training_steps(max_steps, tmp_path, capsys):
    run(*MOONS[:-1], "profile=true", f"max_steps={max_steps}", root=tmp_path)
    (file,) = tmp_path.rglob(profiling.FILE)
    names = [event.get("name") for event in json.loads(gzip.decompress(file.read_bytes()))["traceEvents"]]
    assert 1 <= names.count("Optimizer.step#AdamW.step") <= profiling.MAX_RECORDED
    assert "own time (ms)" in capsys.readouterr().out


def test_ten_operations_are_listed():
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))(torch.randn(8, 4)).relu().softmax(
            1
        ).sum().backward()
    table = profiling.build_table(recorded.key_averages(), on_gpu=False)
    assert table.row_count == profiling.NUM_SHOWN


def test_a_profile_changes_no_number(tmp_path):
    assert run(*MOONS, root=tmp_path / "a") == run(*MOONS, "profile=true", root=tmp_path / "b")


def test_a_finished_run_is_run_again_for_its_trace_once(tmp_path):
    run(*MOONS, root=tmp_path)
    planned = prepare(*MOONS, "profile=true", root=tmp_path)
    assert planned.must_run()
    execute(planned, gather_facts(planned), Plain())
    assert not planned.must_run()
