import numpy as np
import pandas as pd
import pytest

from dlexp.analysis.judge import curves

NAN = float("nan")


@pytest.mark.parametrize(
    ("accuracy", "epoch"), [([0.5, 0.94, 0.96, 1.0], 3), ([0.95, 1.0], 1), ([0.9], 1), ([], None), ([0.5, NAN], None)]
)
def test_convergence_is_the_first_epoch_at_95_per_cent_of_the_best(accuracy, epoch):
    assert curves.convergence_epoch(accuracy) == epoch


def test_a_run_that_learned_nothing_does_not_converge_but_does_by_the_documents_rule():
    assert curves.convergence_epoch([0.1] * 20, learned=False) is None
    assert curves.document_convergence([0.1] * 20) == 1


def test_stability_looks_at_the_last_ten_losses():
    losses = [9.0, *np.linspace(1, 0.1, 10)]
    assert curves.stability(losses) == pytest.approx(np.std(losses[1:], ddof=1))
    assert curves.document_volatility(losses) == pytest.approx(np.std(losses[1:]))
    assert curves.trend(losses) == pytest.approx(-0.1)


@pytest.mark.parametrize("losses", [[1.0] * 9, [1.0] * 9 + [NAN], []])
def test_no_stability_without_ten_finite_losses(losses):
    assert curves.stability(losses) is curves.trend(losses) is curves.document_volatility(losses) is None


@pytest.mark.parametrize(
    ("values", "rising", "gap"),
    [
        ([0.5, 0.9, 0.8], True, 0.1),
        ([2.0, 1.0, 1.5], False, 0.5),
        ([0.5, 0.9], True, 0),
        ([], True, None),
        ([1, NAN], True, None),
    ],
)
def test_best_gap_is_the_distance_of_the_end_from_the_best(values, rising, gap):
    assert curves.best_gap(values, rising=rising) == (None if gap is None else pytest.approx(gap))


def test_smoothing_is_the_mean_of_the_last_five():
    smooth = curves.smooth([1, 2, 3, 4, 5, 6])
    assert smooth.tolist() == [1, 1.5, 2, 2.5, 3, 4]


@pytest.mark.parametrize(
    ("metric", "target", "seconds"),
    [("val/acc", 0.6, 5.0), ("val/loss", 0.5, 9.0), ("val/acc", 0.9, None), ("val/acc", 0.0, 2.0)],
)
def test_time_to_target_is_seconds_of_training(metric, target, seconds):
    curve = {"id": "a", "epoch": [0, 1, 2, 3], "seconds": [NAN, 2.0, 3.0, 4.0]}
    curve |= {"val/acc": [0.1, 0.3, 0.7, 0.8], "val/loss": [2.3, 1.0, 0.6, 0.4]}
    found = curves.time_to_target(pd.DataFrame(curve), metric, target)
    assert found["a"] == pytest.approx(NAN if seconds is None else seconds, nan_ok=True)
