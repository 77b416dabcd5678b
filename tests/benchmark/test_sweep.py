import importlib.util
from dataclasses import replace
from functools import partial

import pytest

from dlexp.benchmark import sweep
from dlexp.benchmark.comparison import Missing, Request
from dlexp.benchmark.plain_script import Settings, train
from dlexp.benchmark.same_work import DifferentWorkError
from dlexp.benchmark.timing import time_case


def test_what_cannot_be_measured_has_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sweep, "count_cores", lambda: 2)
    _, missing = sweep.cases(Request(tmp_path))
    assert missing == Missing("2 jobs against joblib", "pip install -e '.[benchmark]'")
    monkeypatch.setattr(sweep, "count_cores", lambda: 1)
    assert {case.reason for case in sweep.cases(Request(tmp_path))} == {"a command may use 1 cores"}


def test_a_run_of_the_plain_script_takes_the_steps_of_ours(tmp_path):
    ended = sweep.run_one_job(tmp_path, 2, 20)
    plain = [train(Settings(seed=seed, epochs=20)) for seed in range(2)]
    assert [steps for steps, _ in ended] == [steps for steps, _ in plain] == [400, 400]
    assert all(abs(accuracy - other) < 0.1 for (_, accuracy), (_, other) in zip(ended, plain, strict=True))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ([(40, 0.9)], "2 runs should take the same steps, and take \\[40, 40\\] and \\[40\\]"),
        ([(40, 0.9), (60, 0.9)], "and take \\[40, 40\\] and \\[40, 60\\]"),
        ([(40, 0.9), (40, 0.7)], "the mean accuracies are 0.900 and 0.800"),
    ],
)
def test_other_work_is_refused(tmp_path, other, message):
    case = next(iter(sweep.cases(Request(tmp_path))))
    arms = [lambda place, num_runs, epochs, ended=ended: ended for ended in ([(40, 0.9), (40, 0.9)], other)]
    with pytest.raises(DifferentWorkError, match=message):
        sweep.check_sweeps(*arms, tmp_path, case, 2)


@pytest.mark.slow
def test_two_jobs_are_timed_against_one_and_against_the_script(tmp_path):
    for case in sweep.cases(Request(tmp_path)):
        if isinstance(case, Missing):
            continue
        arms = {name: getattr(case, name).args[0] for name in ("ours", "other")}
        short = {name: partial(sweep.make_sweeps, execute, tmp_path, 1) for name, execute in arms.items()}
        check = partial(sweep.check_sweeps, *arms.values(), tmp_path, epochs=1)
        samples, _ = time_case(replace(case, **short, check=check), rounds=1, block=2)
        assert all(sample.seconds > 0 for taken in samples.values() for sample in taken)
