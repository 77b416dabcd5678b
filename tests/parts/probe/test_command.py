"""Probes as a command chooses them."""

import json

import pytest
import torch
from torch import nn

from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.lookup import look_up
from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.setup.factories import make_probes
from tests.parts.probe.runs import arrays, dataset_of, keys, scalars
from tests.runs import IMAGES, MOONS, prepare

BOTH = "probe=[grad_flow,dead_units]"


def test_several_probes_are_chosen_and_set(tmp_path):
    planned = prepare(*MOONS, BOTH, "probe.dead_units.every=2", root=tmp_path)
    assert execute(planned, gather_facts(planned), Plain())["status"] == "done"
    measured = {(row["probe"], row["epoch"]) for row in scalars(planned.folder)}
    assert measured == {("grad_flow", epoch) for epoch in "012"} | {("dead_units", epoch) for epoch in "02"}
    assert set(arrays(planned.folder)) == {"predictions"}
    assert "probe" not in json.loads((planned.folder / "summary.json").read_text())["choices"]


def test_chosen_probes_pass_the_check():
    assert check(compose([BOTH, "probe.grad_flow.every=3"])) == []
    assert check(compose([])) == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("probe=grad_flow", "probe=grad_flow"),
        ("probe=[gradflow]", "grad_flow"),
        ("probe=[grad_flow,grad_flow]", "twice"),
        ("probe=[../model/mlp]", "no such option"),
        ("probe=[grad_flow.yaml]", "no such option"),
        ("probe=[1]", "no such option"),
        ("probe=null", "probe=null"),
        ("probe.grad_flow.every=2", "probe"),
        ("probe.grad_flow._target_=os.system", "_target_"),
    ],
)
def test_what_is_no_choice_of_probes_is_refused(override, message):
    problems = look_up([override], multirun=False)
    assert len(problems) == 1
    assert message in problems[0]


@pytest.mark.parametrize("change", ["every=-1", "every=1.5", "every=null"])
def test_values_out_of_range_are_refused(change, tmp_path):
    with pytest.raises(ConfigError, match="probe.grad_flow.every"):
        prepare(*MOONS, BOTH, f"probe.grad_flow.{change}", root=tmp_path)


def test_a_mode_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"probe\.grad_flow\.mode: must be one of train, eval, got 'training'"):
        prepare(*MOONS, BOTH, "probe.grad_flow.mode=training", root=tmp_path)
    lab = {"probe": keys("weight_stats") | {"grad_flow": keys("grad_flow")["grad_flow"] | {"mode": ["x"]}}}
    with pytest.raises(ConfigError, match=r"probe\.grad_flow\.mode: must be one of train, eval, got \['x'\]"):
        make_probes(lab, nn.Linear(1, 1), dataset_of(torch.zeros(2, 2), torch.arange(2)))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([*IMAGES, "probe=[decision_boundary]"], "probe=decision_boundary: needs two features and two classes"),
        ([*MOONS, "depth=0", "probe=[dead_units]"], "probe=dead_units: needs an activation layer"),
    ],
)
def test_a_probe_with_nothing_to_measure_is_refused_and_leaves_nothing(overrides, message, tmp_path):
    command = [text for text in overrides if "depth=0" not in overrides or not text.startswith(("width", "depth=2"))]
    with pytest.raises(ConfigError, match=message):
        gather_facts(prepare(*command, root=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_run_with_probes_is_another_one_than_without(tmp_path):
    plain, probed, swapped = (
        prepare(*MOONS, *given, root=tmp_path).identity for given in ([], [BOTH], ["probe=[dead_units,grad_flow]"])
    )
    assert plain != probed == swapped
    assert prepare(*MOONS, "probe=[]", root=tmp_path).identity == plain
