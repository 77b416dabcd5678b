import json

import pytest

from dlexp.benchmark import process
from dlexp.benchmark.comparison import Request
from dlexp.machine.process import SETTINGS


def test_each_setting_is_compared_with_all_settings(tmp_path):
    cases = list(process.cases(Request(tmp_path)))
    assert {case.name.partition(":")[0]: set(SETTINGS) - set(case.other.args[-1]) for case in cases} == {
        setting: {setting} for setting in SETTINGS
    }
    assert all(case.ours.args[-1] == SETTINGS for case in cases)


def test_the_time_of_a_step_is_printed(capsys):
    assert process.print_step_time(2, process.SMALL) == 0
    assert all(seconds > 0 for seconds in json.loads(capsys.readouterr().out))


def test_a_command_that_fails_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="ended with exit code 2: DLEXP_PROCESS: expected a list"):
        process.make_runs(tmp_path, ["gzip"])(1)
