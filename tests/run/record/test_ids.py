"""The ids of every option and of every study's runs stay what they were when their results were made."""

import hashlib
import json
from pathlib import Path

import pytest

from dlexp.config.compose import compose
from dlexp.config.options import read_option
from dlexp.errors import UnsupportedError
from dlexp.run.plan import path_keys, plan
from dlexp.run.record.identity import SAME_AS_BEFORE, run_id
from dlexp.study.definition import read_study
from dlexp.study.request import command

IDS = json.loads((Path(__file__).parent / "ids.json").read_text())
FINGERPRINT = "a fingerprint"  # in place of that of image_folder's files, which are not there


@pytest.mark.parametrize("overrides", IDS["options"])
def test_an_option_has_the_id_it_always_had(overrides):
    composed = compose(overrides.split())
    if composed.choices["dataset"] == "image_folder":
        identity = run_id(composed.config, FINGERPRINT, path_keys(composed))
    else:
        identity = _identity(overrides.split())
    assert identity == IDS["options"][overrides]


@pytest.mark.parametrize("kind", ["first seed", pytest.param("all seeds", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", IDS["first seed"])
def test_the_runs_of_a_study_have_the_ids_they_always_had(name, kind):
    study = read_study(name)
    on_cpu = {} if "hardware" in study.keys or "hardware" in study.base else {"hardware": "cpu"}
    seeds = study.seeds if kind == "all seeds" else study.seeds[:1]
    ids = [_identity(command(study, cell, seed, on_cpu)) for cell in study.all_cells() for seed in seeds]
    assert hashlib.sha256("\n".join(ids).encode()).hexdigest() == IDS[kind][name]


def _identity(overrides) -> str:
    try:
        return plan(compose(overrides)).identity
    except UnsupportedError:
        return "unsupported"


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
