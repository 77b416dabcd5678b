import math

import pandas as pd
import pytest

from dlexp.analysis.report.arrange import count_in_bands


@pytest.mark.parametrize(("last", "count"), [(0.5, "2"), (math.nan, "1–2")])
def test_a_band_is_of_the_runs_that_have_a_number_at_an_epoch(last, count):
    frame = pd.DataFrame({"cell": ["a", "a", "a", "a", "b", "b"], "id": [1, 1, 2, 2, 3, 4], "epoch": [1, 2, 1, 2, 1, 1]})
    frame = frame.assign(loss=[0.9, 0.8, 0.9, last, 0.7, 0.7])
    assert count_in_bands(frame, [frame["cell"]], ["loss"]) == count


def test_no_band_has_no_run():
    frame = pd.DataFrame({"cell": ["a"], "epoch": [1], "loss": [math.nan]})
    assert count_in_bands(frame, [frame["cell"]], ["loss"]) == "0"
