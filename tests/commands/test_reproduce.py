import os
import signal
import sys
import threading

import pytest

from dlexp.commands import reproduce


@pytest.fixture
def started(monkeypatch):
    """Commands instead of training: the list of what would have been started."""
    calls: list[list[str]] = []
    monkeypatch.setattr(reproduce, "_call", lambda command: calls.append(list(command)) or 0)
    return calls


def test_a_dry_run_lists_and_trains_nothing(started, capsys) -> None:
    assert reproduce.main(["--dry-run", "loss_published", "activation_2d", "seed=0,1"]) == 0
    assert not started
    out = capsys.readouterr().out
    assert "loss_published" in out
    assert out.endswith("Nothing was trained.\n")


def test_without_names_the_published_studies_are_run(started) -> None:
    assert reproduce.main([]) == 0
    assert len(started) > 3
    assert all(command[-1].endswith("_published") for command in started)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loss_published", "los"], "study=los: no such study."),
        (["loss_published", "lr=1"], "lr=1: no such key. Did you mean optimizer.lr=1?"),
        (["--dry_run"], "--dry_run: no such flag"),
    ],
)
def test_a_mistake_is_refused_before_the_first_study_starts(arguments, message, started, capsys) -> None:
    assert reproduce.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not started


def test_ctrl_c_lets_the_study_save_its_state(monkeypatch, capsys) -> None:
    """The study has got the signal too, and ends with 75 when it has saved."""
    monkeypatch.setattr(reproduce, "start_train", lambda: [sys.executable, "-c", "import time; time.sleep(1); exit(75)"])
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        assert reproduce.train_all(["loss_published", "topology"], []) == 75
    finally:
        timer.join()
        signal.signal(signal.SIGINT, previous)
    printed = capsys.readouterr()
    assert "0 of 2 studies done" in printed.out
    assert printed.err == "Interrupted. The same command goes on.\n"
