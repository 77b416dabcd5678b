"""Each part of this lab fulfils the contract of its group: run `pytest` in the folder of the lab."""

from pathlib import Path

import pytest

from dlexp.commands.check import main

CONF = Path(__file__).parents[1] / "conf"
OPTIONS = [f"{path.parent.name}={path.stem}" for path in sorted(CONF.glob("*/*.yaml")) if path.parent.name != "study"]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_part_fulfils_its_contract(option):
    """The checks are printed."""
    assert main([f"--config-dir={CONF}", option]) == 0
