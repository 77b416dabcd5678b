import pytest
import yaml
from omegaconf import OmegaConf

from dlexp.config.compose import compose
from dlexp.run import begin_record
from dlexp.run.begin_record import write_config


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("model=speednet", "augment=standard", "optimizer=muon", "scheduler=onecycle", "probe=[grad_flow,dead_units]"),
        ("dataset=image_folder", "dataset.root='a: # b'", "dataset.labels='한국어 1e-3'", "optimizer.lr=1e-3"),
        (
            "dataset=csv_table",
            "dataset.path='" + 40 * "long name " + "'",
            "model.widths=[8,4]",
            "norm.groups={16: 4}",
            "norm=gn",
        ),
    ],
)
def test_a_config_that_is_written_in_blocks_is_the_same_text(overrides):
    composed = compose(overrides)
    for _ in range(2):
        assert write_config(composed.config, begin_record._dump_resolved) == yaml.safe_dump(composed.config, sort_keys=False)
        assert write_config(composed.tree, OmegaConf.to_yaml) == OmegaConf.to_yaml(composed.tree)


def test_equal_numbers_of_other_kinds_are_written_as_they_are():
    for value, text in ((1, "a: 1\n"), (1.0, "a: 1.0\n"), (True, "a: true\n"), (None, "a: null\n"), ({}, "a: {}\n")):
        assert write_config({"a": value}, begin_record._dump_resolved) == text
