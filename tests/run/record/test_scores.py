import pytest

from dlexp.config.ranges import rule_for
from dlexp.run.class_scores import MEASURES
from dlexp.run.record.scores import OF_ALL, is_score, is_share, name_kind, split_metric


@pytest.mark.parametrize(
    ("metric", "split", "score", "kind"),
    [
        ("test/acc", "test", "acc", "acc"),
        ("best/val/macro_f1", "best/val", "macro_f1", "macro_f1"),
        ("test/recall/a/b", "test", "recall/a/b", "recall"),
        ("train/grad_norm", "train", "grad_norm", "grad_norm"),
        ("test/", "", "test/", "test/"),
        ("seconds", "", "seconds", "seconds"),
        ("target/epoch", "", "target/epoch", "target/epoch"),
    ],
)
def test_a_metric_is_a_score_of_a_split(metric, split, score, kind):
    assert split_metric(metric) == (split, score)
    assert name_kind(metric) == kind


def test_shares_are_shown_in_per_cent_and_losses_are_scores_too():
    assert all(is_share(metric) for metric in ("test/acc", "val/ece", "test/f1/ship", "best/val/roc_auc"))
    assert not any(is_share(metric) for metric in ("test/loss", "acc", "train/grad_norm", "best/epoch"))
    assert all(is_score(metric) for metric in ("test/loss", "val/rmse", "test/acc"))
    assert not is_score("train/seconds")


def test_every_score_is_measured_and_can_be_monitored():
    assert list(MEASURES) == list(OF_ALL)
    assert set(OF_ALL) < set(rule_for("monitor", "loss").expected.replace(",", "").split())
