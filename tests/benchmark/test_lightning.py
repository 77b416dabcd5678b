import pytest

from dlexp.benchmark import lightning
from dlexp.benchmark.comparison import Request
from dlexp.benchmark.timing import time_case

pytest.importorskip("lightning")


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_does_the_same_work_and_is_timed(tmp_path):
    for case in lightning.cases(Request(tmp_path)):
        samples, _ = time_case(case, rounds=1, block=5)
        assert all(taken[0].seconds > 0 for taken in samples.values())


def test_the_clock_runs_from_the_first_step_that_counts_to_the_end():
    feed = lightning._TimedBatches(lambda epoch: [(epoch, 0), (epoch, 1), (epoch, 2)], num_untimed=2, num_steps=5)
    batches = list(feed)
    assert batches == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0)]
    assert len(feed.stamps) == 2
    assert feed.sample().seconds == pytest.approx((feed.stamps[1][0] - feed.stamps[0][0]) / 5)
