import math

import pytest

from dlexp.run.early_stopping import EarlyStopping


def follow(values, patience=None, min_delta=0.0):
    """Epoch of the stop (None: never) and the best epoch."""
    watch = EarlyStopping(patience, min_delta)
    for epoch, value in enumerate(values, start=1):
        watch.update(epoch, value)
        if watch.should_stop:
            return epoch, watch.best_epoch
    return None, watch.best_epoch


def test_without_patience_it_never_stops():
    assert follow([3, 2, 4, 5, 6, 7]) == (None, 2)


@pytest.mark.parametrize(("patience", "stop"), [(1, 2), (2, 3), (3, 4), (4, None)])
def test_stops_when_patience_has_run_out(patience, stop):
    assert follow([2, 3, 3, 3], patience)[0] == stop


def test_a_late_improvement_restarts_the_count():
    assert follow([5, 6, 4, 6, 6, 6], patience=2) == (5, 3)


def test_min_delta_is_what_counts_as_better():
    assert follow([1.0, 0.95, 0.89], min_delta=0.1)[1] == 3
    assert follow([1.0, 0.95, 0.91], min_delta=0.1)[1] == 1


def test_nan_is_never_better():
    assert follow([math.nan, 2.0, math.nan], patience=2)[1] == 2


def test_published_log_stops_at_10_with_the_best_at_5():
    """Patience 5 as the book's log has it."""
    assert follow([0.69, 0.66, 0.62, 0.58, 0.5406, 0.56, 0.59, 0.57, 0.60, 0.58, 0.50], patience=5) == (10, 5)
