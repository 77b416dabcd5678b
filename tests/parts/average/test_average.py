import pytest

from dlexp.contract import ConfigError, Horizon
from tests.options import make


def test_the_mean_of_epochs_begins_after_its_share_of_them():
    assert make("average", "swa")(Horizon(20, 200)).first == 16
    assert make("average", "swa", start=0)(Horizon(20, 200)).first == 1
    assert make("average", "swa", start=0.5)(Horizon(5, 50)).first == 3


@pytest.mark.parametrize(("num_epochs", "start"), [(1, 0.0), (4, 0.75), (10, 0.95)])
def test_the_mean_of_one_epoch_is_refused(num_epochs, start):
    with pytest.raises(ConfigError, match=f"average.start={start:g}: of {num_epochs} epochs this leaves one"):
        make("average", "swa", start=start)(Horizon(num_epochs, 100))


def test_nothing_is_averaged_without():
    assert make("average", "none")(Horizon(2, 20)) is None
    assert make("average", "ema")(Horizon(1, 20)).every == "step"
