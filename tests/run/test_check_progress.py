import pytest

from dlexp.machine.notices import silenced
from dlexp.run import bars, check_progress
from dlexp.run.check_progress import showing_check


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves by two seconds at each look."""
    times = iter(range(0, 1000, 2))
    monkeypatch.setattr(check_progress, "monotonic", lambda: next(times))


def check(num_runs=8, show=None):
    with showing_check(num_runs, "configs", show) as watch:
        return list(watch(range(num_runs)))


def test_in_a_pipe_a_long_check_prints_one_line(clock, capsys):
    assert check() == list(range(8))
    assert capsys.readouterr() == ("", "Checking configs of 8 runs: 38 % after 6 seconds.\n")


@pytest.mark.parametrize("show", ["none", "silenced"])
def test_nothing_is_printed_where_that_is_asked_for(clock, capsys, show):
    if show == "silenced":
        with silenced():
            check()
    else:
        check(show=show)
    assert capsys.readouterr() == ("", "")


def test_a_short_check_is_not_shown(capsys):
    check()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("show", "has_bar"), [(None, True), ("lines", False)])
def test_in_a_terminal_a_bar_shows_how_far_the_check_is(clock, monkeypatch, capsys, show, has_bar):
    moved = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    original = bars.Progress.update
    monkeypatch.setattr(
        bars.Progress, "update", lambda progress, *given, **kept: moved.append(kept) or original(progress, *given, **kept)
    )
    check(4, show)
    assert [each["completed"] for each in moved if "completed" in each] == ([2, 3, 4] if has_bar else [])
    assert ("Checking" in capsys.readouterr().err) is not has_bar
