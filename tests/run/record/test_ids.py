"""The ids of every option and of every study's runs stay what they were when their results were made."""

import json
from pathlib import Path

import pytest

from dlexp.config.compose import compose
from dlexp.config.options import read_option
from dlexp.run.plan import path_keys
from dlexp.run.record.identity import SAME_AS_BEFORE, run_id
from tests.options import options
from tests.run.record.ids import FINGERPRINT, hash_study, identify, list_commands

IDS = json.loads((Path(__file__).parent / "ids.json").read_text())
RENEW = (
    "Where the ids of runs change, finished runs are trained again. If a change here is not meant, see SAME_AS_BEFORE and "
    "ADDRESS_IN_ID in dlexp/run/record/identity.py. If it is decided, name it in CHANGELOG.md and write the table again: "
    "python -m tests.run.record.ids > tests/run/record/ids.json"
)


@pytest.mark.parametrize("overrides", IDS["options"])
def test_an_option_has_the_id_it_always_had(overrides):
    assert identify(overrides.split()) == IDS["options"][overrides], RENEW


@pytest.mark.parametrize("kind", ["first seed", pytest.param("all seeds", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", IDS["first seed"])
def test_the_runs_of_a_study_have_the_ids_they_always_had(name, kind):
    assert hash_study(name, all_seeds=kind == "all seeds") == IDS[kind][name], RENEW


def test_the_table_has_every_option_and_every_study():
    assert [*IDS["options"]] == list_commands(), RENEW
    assert [*IDS["first seed"]] == [*IDS["all seeds"]] == options("study"), RENEW


def test_two_options_of_a_group_are_two_runs_unless_one_of_them_is_the_other_here():
    same = {"hardware=auto": "hardware=cpu", "hardware=cpu precision=auto": "hardware=cpu precision=fp32"}
    found = {text: identity for text, identity in IDS["options"].items() if text not in same and "," not in text}
    default = IDS["options"]["hardware=cpu"]
    differing = [identity for identity in found.values() if identity != default]
    assert len(differing) == len(set(differing))
    assert all(IDS["options"][one] == IDS["options"][other] for one, other in same.items())


@pytest.mark.parametrize(
    ("key", "value"), [("channels", 1), ("duplicates", "keep"), ("test_folder", "val"), ("label_column", "x")]
)
def test_a_young_key_of_images_counts_where_it_changes_something(key, value):
    composed = compose(["hardware=cpu", "dataset=image_folder", "dataset.root=images", "dataset.labels=labels.csv"])
    assert composed.config["dataset"][key] != value
    other = {**composed.config, "dataset": {**composed.config["dataset"], key: value}}
    ids = {run_id(config, FINGERPRINT, path_keys(composed)) for config in (composed.config, other)}
    assert len(ids) == 2
    assert IDS["options"]["hardware=cpu dataset=image_folder dataset.root=images"] in ids


def test_the_young_keys_of_images_mean_by_default_what_was_done_without_them():
    old = [
        "_target_",
        "_partial_",
        "root",
        "test_fraction",
        "image_size",
        "cache_dir",
        "data_seed",
        "per_class",
        "scale",
        "scale_on",
    ]
    young = {key: value for key, value in read_option("dataset", "image_folder").items() if key not in old}
    assert {key: SAME_AS_BEFORE["dataset", key] for key in young} == young
