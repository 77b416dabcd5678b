import random
import threading
import warnings
from multiprocessing import get_context

import numpy as np
import pytest

from dlexp.api import process
from dlexp.api.process import borrowing_process, choose_lab, using_lab
from dlexp.config.options import current_lab, groups
from dlexp.errors import ConfigError
from dlexp.machine.notices import is_watched, notify
from tests.labs import BENT, write_lab


def test_random_numbers_and_filters_are_restored_also_after_an_error(capsys):
    with borrowing_process(None):
        pass  # loads torch, which filters warnings of its own
    random.seed(0)
    random.random()
    # Without its last number, the position: the checks of types draw from it too.
    state, numpy_state, filters = random.getstate()[1][:-1], np.random.get_state()[1].tolist(), list(warnings.filters)

    def change():
        with borrowing_process(None):
            notify("nobody asked for this")
            assert not is_watched()
            random.seed(1)
            np.random.seed(1)
            warnings.simplefilter("ignore")
            raise KeyError

    with pytest.raises(KeyError):
        change()
    assert random.getstate()[1][:-1] == state
    assert np.random.get_state()[1].tolist() == numpy_state
    assert warnings.filters == filters
    assert capsys.readouterr() == ("", "")
    notify("a download")
    assert capsys.readouterr() == ("", "a download\n")


def test_the_options_of_a_lab_are_there_for_a_while(tmp_path):
    lab = choose_lab(write_lab(tmp_path / "lab", BENT))
    with using_lab(lab) as used:
        assert used is lab
        assert "bent" in groups()["activation"]
        with using_lab(None):
            assert "bent" not in groups()["activation"]
        assert current_lab() is lab
    assert current_lab() is None
    assert "bent" not in groups()["activation"]


def test_a_lab_that_is_not_trusted_is_refused_without_a_question(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.chdir(write_lab(tmp_path / "lab", BENT | {"dlexp.toml": ""}))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with pytest.raises(ConfigError, match="dlexp trust"):
        choose_lab(None)
    assert capsys.readouterr() == ("", "")


def test_threads_wait_for_each_other():
    inside, most = [], []

    def enter():
        with borrowing_process(None):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def _enter():
    with borrowing_process(None):
        pass


def test_a_fork_while_another_thread_is_inside_is_free():
    waiting, leave = threading.Event(), threading.Event()

    def stay():
        with borrowing_process(None):
            waiting.set()
            leave.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    waiting.wait()
    assert not process._lock.acquire(blocking=False)
    child = get_context("fork").Process(target=_enter)
    child.start()
    child.join(20)
    leave.set()
    thread.join()
    assert child.exitcode == 0
