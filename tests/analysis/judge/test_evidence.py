import re

import pytest

from dlexp.analysis.judge.diagnose import diagnose
from dlexp.analysis.judge.evidence import describe_evidence
from tests.analysis.judge.test_diagnose import LABELLED, curve_of


@pytest.mark.parametrize(("name", "curve"), LABELLED, ids=[f"{i}-{name}" for i, (name, _) in enumerate(LABELLED)])
def test_every_diagnosis_has_its_numbers_and_where_all_is_well_there_are_none(name, curve):
    found = describe_evidence(diagnose(curve, chance=0.1), curve, 0.1)
    assert (found == "") == (name == "fine")
    if found:
        assert re.search(r"\d", found)
        assert found.endswith(".")


def test_the_numbers_are_those_of_the_curve():
    losses = [2.0, 1.0, 0.5, 0.2, 0.1, 0.05]
    curve = curve_of(losses, 0.99, [1.5, 0.8, 0.6, 0.7, 0.9, 1.2], 0.71)
    assert describe_evidence(diagnose(curve, chance=0.1), curve) == (
        "val/loss rises from 0.6 at epoch 3 to 1.2; train/acc ends at 99.00 %, val/acc at 71.00 %."
    )
    fallen = curve_of([1.0, 1.5, 2.3], [0.5, 0.4, 0.1], [1.1, 1.6, 2.3], [0.5, 0.3, 0.1])
    assert (
        describe_evidence(diagnose(fallen, chance=0.1), fallen) == "val/acc went from 50.00 % at epoch 1 to 10.00 % at the end."
    )
    broken = curve_of([1.0, float("nan"), 1.0], 0.5, 1.0, 0.5)
    assert describe_evidence(diagnose(broken), broken) == "train/loss is not finite from epoch 2 on."
