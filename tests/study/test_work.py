from dataclasses import replace
from types import SimpleNamespace

import pytest

from dlexp.errors import ConfigError
from dlexp.run.execute import gather_facts
from dlexp.study import work
from dlexp.study.work import PROCESS_BYTES, Work, fit_into_memory, list_gpus, measure_work, order_runs
from tests.runs import MOONS, prepare, run


def plan_runs(root, *commands):
    runs = [prepare(*MOONS, *command.split(), root=root) for command in commands]
    return runs, {one.identity: measure_work(gather_facts(one)) for one in runs}


def titles(runs):
    return [" ".join(text for text in one.label if text.startswith(("width", "seed", "epochs"))) for one in runs]


def test_whole_seeds_come_first_and_in_each_the_longest_run(tmp_path):
    due, sizes = plan_runs(
        tmp_path, "epochs=2 width=8 seed=0", "epochs=2 width=8 seed=1", "epochs=2 width=64 seed=0", "epochs=2 width=64 seed=1"
    )
    assert titles(order_runs(due, [], sizes)) == [
        "width=64 epochs=2 seed=0",
        "width=8 epochs=2 seed=0",
        "width=64 epochs=2 seed=1",
        "width=8 epochs=2 seed=1",
    ]


def test_what_finished_runs_of_the_same_cells_took_is_what_others_are_expected_to_take(tmp_path, monkeypatch):
    (*done, small, large), sizes = plan_runs(tmp_path, "width=8 seed=0", "width=64 seed=0", "width=8 seed=1", "width=64 seed=1")
    took = {done[0].identity: 90.0, done[1].identity: 3.0}
    monkeypatch.setattr(type(small), "read_summary", lambda self: {"seconds": {"train": took[self.identity]}})
    assert order_runs([large, small], done, sizes) == [small, large]
    assert order_runs([large, small], done[:1], sizes) == [large, small]  # of one of the cells nothing is known


def test_no_more_runs_than_fit_into_memory(tmp_path, monkeypatch):
    due, sizes = plan_runs(tmp_path, "width=8", "width=2000")
    needed = max(work._estimate(one) for one in due) + PROCESS_BYTES
    assert PROCESS_BYTES + 2 * 2000 * 2000 * 4 < needed < PROCESS_BYTES + 20 * 2000 * 2000 * 4
    for free, expected in ((2.5 * needed, 2), (1.5 * needed, 1), (0, 1)):
        available = int(free / work.MAX_MEMORY_SHARE) + 1
        monkeypatch.setattr(work, "read_memory", lambda available=available: SimpleNamespace(available=available))
        count, reason = fit_into_memory(due, sizes, 4)
        assert count == expected
        assert f"jobs: {expected} instead of 4: a run needs about {needed / 2**20:,.0f} MiB, and all may use" in reason
    monkeypatch.setattr(work, "read_memory", lambda: SimpleNamespace(available=20 * needed))
    assert fit_into_memory(due, sizes, 4) == (4, "")


def test_the_given_gpus_are_shared_out(tmp_path, monkeypatch):
    on_cpu = prepare(*MOONS, root=tmp_path)
    on_gpu = replace(on_cpu, config={**on_cpu.config, "hardware": {"device": "cuda"}})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5a,7")
    assert list_gpus([on_cpu]) == []
    assert list_gpus([on_cpu, on_gpu]) == ["2", "GPU-5a", "7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(work.torch.cuda, "device_count", lambda: 2)
    assert list_gpus([on_gpu]) == ["0", "1"]
    with pytest.raises(ConfigError, match="jobs_per_gpu=2: has no effect: no run of this sweep uses a GPU"):
        list_gpus([prepare(*MOONS, "jobs=auto", "jobs_per_gpu=2", root=tmp_path)])


def test_the_amount_of_work_grows_with_steps_and_parameters(tmp_path):
    _, sizes = plan_runs(tmp_path, "width=8", "width=16", "width=16 epochs=4")
    amounts = [size.amount for size in sizes.values()]
    assert amounts == sorted(amounts)
    assert Work(10, 3, 8).amount == 240


def test_a_finished_run_has_no_size_and_is_not_asked_for_one(tmp_path):
    run(*MOONS, root=tmp_path)
    done = prepare(*MOONS, root=tmp_path)
    assert fit_into_memory([done], {}, 2) == (2, "")
