"""Several options of one group in one run, in the order given."""

import pytest

from dlexp.config.check import compose_sweep
from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.lookup import look_up
from dlexp.run.record.identity import run_id

COMMAND = ["augment=[crop,flip,cutout]", "augment.cutout.size=5"]


def test_a_combination_is_composed_in_its_order_with_the_keys_of_each():
    assert look_up(COMMAND, multirun=False) == []
    composed = compose(COMMAND)
    assert check(composed) == []
    assert composed.choices["augment"] == "[crop,flip,cutout]"
    assert list(composed.config["augment"]) == ["crop", "flip", "cutout"]
    assert composed.config["augment"]["cutout"]["size"] == 5
    assert composed.config["augment"]["crop"] == compose(["augment=crop"]).config["augment"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("augment=[]", "augment=[]: an empty list: write augment=none."),
        ("augment=[crop]", "a list has 2 options or more: write augment=crop, without brackets."),
        ("augment=[crop,crop]", "names the same option twice."),
        ("augment=[none,crop]", "none changes nothing, so that it has no place in a list: leave it out."),
        ("augment=[crop,flop]", "augment=[crop,flop]: no such option: flop. Options: "),
        ("augment=[crop,hflip]", "standard, trivialaugment. Did you mean flip?"),
        ("mixup_alpha=0.4", "no such key. Did you mean augment=mixup augment.alpha=0.4?"),
        ("augment=[crop,[flip]]", "no such option"),
        ("norm=[bn,gn]", "no such option"),
        ("augment=[crop,flip] augment.padding=3", "Of crop in a list it is augment.crop.padding."),
        ("augment=[crop,flip] augment.cutout.size=3", "cutout is not in augment=[crop,flip]: add it there."),
        ("augment=[crop,flip] augment.crop.pading=3", "no such key. Did you mean augment.crop.padding=3?"),
        ("augment.crop.padding=3", "no such key. Did you mean augment=crop augment.padding=3?"),
        ("augment=[crop,flip] augment.crop.size=3", "no such key."),
    ],
)
def test_a_mistake_is_explained(command, message):
    (line,) = look_up(command.split(), multirun=False)
    assert message in line


def test_values_are_checked_and_so_are_combinations_in_a_file():
    assert check(compose(["augment=[crop,flip]", "augment.crop.padding=0"])) == [
        "augment.crop.padding: must be an integer from 1 to 16383, got 0."
    ]
    composed = compose(["augment=[crop,flip]"])
    composed.choices["augment"] = "[crop,other]"
    assert "no such option: other" in check(composed)[0]


def test_order_and_keys_are_in_the_id():
    commands = (["augment=[crop,flip]"], ["augment=[flip,crop]"], ["augment=[crop,flip]", "augment.crop.padding=2"])
    assert len({run_id(compose(command).config) for command in commands}) == 3


def test_a_combination_is_one_value_of_a_sweep():
    command = ["augment=[crop,flip],none,[flip,cutout]", "seed=0,1"]
    assert look_up(command, multirun=True) == []
    assert [cell.choices["augment"] for cell in compose_sweep(command)][::2] == ["[crop,flip]", "none", "[flip,cutout]"]
    beside = ["augment=[crop,flip],none", "augment.crop.padding=2", "skip=without_effect"]
    assert look_up(beside, multirun=True) == []
    assert [cell.choices["augment"] for cell in compose_sweep(beside)] == ["[crop,flip]"]
