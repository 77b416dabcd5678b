"""`hardware.tune=true` times what the user left open, once, and changes nothing but the settings it chose."""

import json
from dataclasses import replace

import pytest
import torch

from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.setup import tuning
from tests.runs import IMAGES, MOONS, prepare, run

TWO_CORES = {0, 1}


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr(tuning.os, "sched_getaffinity", lambda _: TWO_CORES)


def found(*overrides, root):
    planned = prepare(*overrides, "hardware.tune=true", root=root)
    given = {override.partition("=")[0] for override in overrides}
    return tuning.list_candidates(planned.config, gather_facts(planned), given)


def test_images_are_tried_in_both_layouts(tmp_path):
    assert found(*IMAGES, root=tmp_path) == [
        {"channels_last": layout, "num_threads": threads} for layout in (False, True) for threads in (1, 2)
    ]


@pytest.mark.parametrize(
    ("override", "tried"),
    [("on_oom=fail", True), ("on_oom=microbatch", False), ("batch_size=full", True), ("batch_size=auto", False)],
)
def test_a_cuda_graph_is_tried_only_where_it_may_be_set(override, tried, tmp_path):
    planned = prepare(*IMAGES, "norm=gn", override, root=tmp_path)
    facts = replace(gather_facts(planned), device=torch.device("cuda"))
    assert any("cuda_graph" in settings for settings in tuning.list_candidates(planned.config, facts, set())) == tried


def test_what_the_user_set_is_not_tried(tmp_path):
    assert found(*IMAGES, "hardware.num_threads=1", root=tmp_path) == [{"channels_last": False}, {"channels_last": True}]


def test_nothing_to_choose_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="nothing to choose"):
        gather_facts(prepare(*MOONS, "hardware.tune=true", "hardware.num_threads=1", root=tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_fastest_is_chosen_and_trains_as_if_it_had_been_typed(tmp_path):
    tuned, rows = run(*IMAGES, "hardware.tune=true", root=tmp_path / "tuned")
    (file,) = (tmp_path / "tuned").rglob(tuning.FILE)
    choice = json.loads(file.read_text())
    fastest = min(choice["timed"], key=lambda timed: timed["seconds"])
    assert choice["chosen"] == tuned["tuned"] == {key: fastest[key] for key in choice["chosen"]}
    typed = [f"hardware.{key}={str(value).lower()}" for key, value in choice["chosen"].items()]
    assert rows == run(*IMAGES, *typed, root=tmp_path / "typed")[1]


def test_a_later_start_reads_what_was_chosen(tmp_path):
    overrides = (*MOONS, "hardware.tune=true", "force=true")
    run(*overrides, root=tmp_path)
    (file,) = tmp_path.rglob(tuning.FILE)
    file.write_text(json.dumps({"chosen": {"num_threads": 2}, "timed": []}))
    planned = prepare(*overrides, root=tmp_path)
    summary = execute(planned, gather_facts(planned), Plain())
    assert summary["tuned"] == {"num_threads": 2}
