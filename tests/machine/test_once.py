import pytest

from dlexp.machine.once import checking_once, look_up_again, look_up_once


@pytest.fixture
def disk():
    """Something on disk that changes each time it is looked at, and how often that was."""
    return iter(range(100))


def test_what_is_looked_up_is_remembered_within_the_context_alone(disk):
    with checking_once():
        first = [look_up_once("a", lambda: next(disk)) for _ in range(3)]
        with checking_once():
            assert look_up_once("a", lambda: next(disk)) == 0
        assert look_up_once("b", lambda: next(disk)) == 1
    assert first == [0, 0, 0]
    assert [look_up_once("a", lambda: next(disk)) for _ in range(2)] == [2, 3]


def test_of_a_kind_only_the_latest_answer_is_remembered(disk):
    with checking_once():
        found = [look_up_again("kind", key, lambda: next(disk)) for key in "aabba"]
        assert look_up_again("other", "a", lambda: next(disk)) == 3
    assert found == [0, 0, 1, 1, 2]


def test_an_error_is_raised_again_each_time(disk):
    def fail():
        raise OSError(next(disk))

    with checking_once():
        for number in (0, 1):
            with pytest.raises(OSError, match=str(number)):
                look_up_once("a", fail)
